"""A router is changed while it runs, dies and comes back, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from live.compiled import compiled, install, script
from live.frr import FarEnd, far_ends
from live.lab import Host, Lab
from live.routers import (
    NETWORK,
    SOCKET,
    attributes,
    birdc,
    faults,
    meet,
    neighbour,
    path,
    peer,
    protocol_rows,
    protocols,
    settled,
    start_bird,
)
from live.state import difference
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

FORM = """
internal = "mesh"
over = "none"
{system}

[meshes.none]
hosts = ["a", "b"]
interfaces = "per-peer"

[hosts.a]
id = 1
public_key = "jzLUcnSyF+m/0SmxFzSPRkMupuVoU8M/eio75uEt8DA="
addresses = "198.51.100.1/24"
loopback = ["172.20.16.1/32", "fd42:1::1/128"]
{host}

[hosts.b]
id = 2
public_key = "bAwt3waR+rTc8iNdsp0QN84AKOIgzUOCZkczFNuh2RY="
addresses = "198.51.100.2/24"
loopback = ["172.20.16.2/32", "fd42:1::2/128"]
bgp = {{}}
"""
RTR = Path(__file__).with_name("rtr.py")
X4 = "172.20.8.0/24"
ROAS = """
roa = { ipv4 = "/etc/bird/roa4.conf", ipv6 = "/etc/bird/roa6.conf" }
flaps = { ipv6 = "/etc/bird/flap6.conf" }
"""


DEAF = "enable route refresh off;"


class Pair:
    """One router of ours, and one of somebody else's."""

    def __init__(
        self, lab: Lab, folder: Path, more: str = "", system: str = "", far: str = "", far_end: FarEnd = neighbour
    ) -> None:
        self.folder = folder
        self.count = 0
        self.a = install(lab, "a", self.compiled(more, system))
        self.x = far_end(lab, "x", 4242420001, X4, "fd42:8::/48", "route 172.20.9.0/24 unreachable;")
        meet(lab, self.a, self.x, more=far)

    def compiled(self, more: str = "", system: str = "", asn: int = 4242420001, host: str = "") -> dict[str, Path]:
        self.count += 1
        text = NETWORK + FORM.format(system=system, host=host) + peer("a", "x", asn, "peer", more)
        return compiled(text, self.folder / str(self.count))

    def change(self, more: str = "", system: str = "", asn: int = 4242420001) -> None:
        self.a.lay(self.compiled(more, system, asn)["a"])

    def up_to_the_session(self) -> None:
        for part in ("edge-ext0", "loopback"):
            self.a.run(script(part, "up"))
        self.log = start_bird(self.a)
        self.x.start()
        self.x.settled()

    def up(self) -> None:
        self.up_to_the_session()
        wait(lambda: path(self.a, X4))


def since(host: Host) -> int:
    """When the session began, in seconds of the day: BIRD works it out anew each time."""
    clock = next(row[4] for row in protocol_rows(host) if row[:1] == ["peer_x"])
    hours, minutes, seconds = clock.partition("T")[2].split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds))


@far_ends
def test_a_policy_reload_keeps_sessions_and_an_invalid_one_changes_nothing(
    lab: Lab, tmp_path: Path, far_end: FarEnd
) -> None:
    """The neighbour is asked for its routes again (route refresh, RFC 2918)."""
    pair = Pair(lab, tmp_path, far_end=far_end)
    pair.up()
    began = since(pair.a)

    pair.change("local_pref = 77")
    pair.a.run(script("bird", "reload"))
    assert wait(lambda: attributes(pair.a, X4).get("local_pref") == "77")
    assert since(pair.a) == began

    pair.a.lay(pair.compiled("local_pref = 77", host="bgp.drain = true")["a"])
    pair.a.run(script("bird", "reload"))
    wait(lambda: "(65535,0)" in pair.x.attributes("172.20.16.0/27").get("community", ""))
    pair.change("local_pref = 77")
    pair.a.run(script("bird", "reload"))
    assert since(pair.a) == began

    good = pair.a.read("/etc/netc/bird.conf")
    pair.a.write("/etc/netc/bird.conf", good.replace("direct;", "dirct;"))
    said = pair.a.run(script("bird", "reload"), check=False)
    assert said.returncode != 0
    assert "syntax error" in said.stderr
    assert since(pair.a) == began

    # A session that was there and does not come back takes the change with it.
    pair.change(asn=4242420009)
    said = pair.a.run(script("bird", "reload"), check=False, env={"NETC_PATIENCE": "3"})
    assert said.returncode != 0
    assert "did not come back: peer_x" in said.stderr
    wait(lambda: protocols(pair.a)["peer_x"] == "Established", 90)
    wait(lambda: attributes(pair.a, X4).get("local_pref") == "77")


def test_down_leaves_nothing_of_a_router_and_a_killed_bird_starts_again(lab: Lab, tmp_path: Path) -> None:
    pair = Pair(lab, tmp_path)
    before = pair.a.state()
    pair.a.write("/tmp/bird", "#!/bin/bash\necho began >&2\nread -r < <(sleep infinity)\n", 0o755)
    of_others = pair.a.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/tmp/bird"])
    of_others.wait_for("began")  # a process with BIRD's name, whose program is bash, keeps nothing away
    pair.up()
    of_others.stop(signal.SIGKILL)
    wait(lambda: pair.a.run(["ip", "route", "show", X4]).stdout.startswith(X4))
    pair.a.run(["bash", "-c", "kill -9 $(</run/netc/bird.pid)"])
    for verb in ("down", "up"):  # what systemd does
        pair.a.run(script("bird", verb))
    wait(lambda: path(pair.a, X4), 90)

    said = pair.a.run(["bash", "-c", "rm /run/netc/bird; /etc/netc/parts/bird/up"], check=False)
    assert "another BIRD runs here" in said.stderr
    pair.a.run(["bash", "-c", "echo up >/run/netc/bird"])
    for part in ("bird", "loopback", "edge-ext0"):
        pair.a.run(script(part, "down"))
    assert difference(before, pair.a.state()) == ""


@far_ends
def test_password_and_gtsm_are_required_at_both_ends(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    """With BFD beside it where the far end is BIRD: FRR's takes a neighbour with GTSM for one several hops away, and
    cannot speak so from an fe80 address."""
    watched = far_end is neighbour
    mine = f'password = {{ file = "/etc/netc/keys/x.password" }}\ngtsm = true\nbfd = {str(watched).lower()}'
    far = f'password "lab-secret"; ttl security on; {"bfd on;" if watched else ""}'
    pair = Pair(lab, tmp_path, mine, far=far, far_end=far_end)
    pair.x.config += "protocol bfd b1 { }\n"
    pair.a.write("/etc/netc/keys/x.password", "lab-secret\n", 0o600)
    pair.up()
    if watched:
        wait(lambda: re.search(r"fe80::1 +ext0 +Up ", birdc(pair.a, "show bfd sessions")))

    assert "lab-secret" not in pair.a.read("/etc/netc/bird.conf")
    assert pair.a.run(["stat", "-c", "%a %U", "/run/netc/bird.passwords/peer_x"]).stdout == "640 root\n"
    pair.a.write("/etc/netc/keys/x.password", "another\n", 0o600)
    said = pair.a.run(script("bird", "reload"), check=False, env={"NETC_PATIENCE": "3"})
    assert "did not come back: peer_x" in said.stderr


@far_ends
def test_only_routes_with_a_valid_roa_and_without_flaps_are_imported(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    pair = Pair(lab, tmp_path, system=ROAS, far_end=far_end)
    allowed = f"route {X4} max 24 as 4242420001;\nroute 172.20.9.0/24 max 24 as 4242420002;\n"
    pair.a.write("/etc/bird/roa4.conf", allowed)
    allowed = "route fd42:8::/48 max 48 as 4242420001;\nroute fd42:1::/48 max 48 as 4242422547;\n"
    pair.a.write("/etc/bird/roa6.conf", allowed)
    pair.a.write("/etc/bird/flap6.conf", "")
    pair.up()

    assert path(pair.a, "172.20.9.0/24") is None
    wait(lambda: path(pair.a, "fd42:8::/48"))
    wait(lambda: pair.x.path("fd42:1::/48") == "4242422547")
    began = since(pair.a)
    pair.a.write("/etc/bird/flap6.conf", "route fd42:8::/48 max 48 as 0;\n")
    pair.a.write("/etc/bird/roa4.conf", "route 172.20.9.0/24 max 24 as 4242420001;\n")
    pair.a.run(script("bird", "reload"))
    wait(lambda: path(pair.a, "fd42:8::/48") is None)
    wait(lambda: path(pair.a, "172.20.9.0/24"))
    assert path(pair.a, X4) is None
    assert since(pair.a) == began
    assert faults(pair.log.said()) == []


@pytest.mark.parametrize(
    ("more", "far", "is_reset"),
    [("", "", False), ("", DEAF, True), ("import_table = true", DEAF, False)],
    ids=["asked", "reset", "kept"],
)
def test_an_rtr_cache_decides_which_routes_are_imported(
    lab: Lab, tmp_path: Path, more: str, far: str, is_reset: bool
) -> None:
    """Nothing is let in before it has spoken, and what was said before it did is judged again."""
    pair = Pair(lab, tmp_path, more, system='roa = { rtr = "127.0.0.1:8282" }', far=far)
    pair.a.run(script("loopback", "up"))
    pair.log = start_bird(pair.a)
    pair.x.start()
    settled(pair.x.host)
    assert path(pair.a, X4) is None
    began = since(pair.a)

    cache = ["python3", str(RTR), "8282", f"{X4},24,4242420001", "fd42:8::/48,48,4242420002"]
    pair.a.start(cache).wait_for("listens")
    pair.a.run(["birdc", "-s", SOCKET, "restart roa_rtr1"])
    wait(lambda: path(pair.a, X4))
    assert path(pair.a, "fd42:8::/48") is None
    assert (since(pair.a) != began) == is_reset


def test_what_watches_roas_is_missed_and_a_reload_starts_it(lab: Lab, tmp_path: Path) -> None:
    """As after an upgrade from a release that had none, which does not start BIRD again."""
    pair = Pair(lab, tmp_path, system='roa = { rtr = "127.0.0.1:8282" }')
    pair.up_to_the_session()
    watching = "pgrep -f '^bash /usr/lib/netc/bird-roas.bash'"
    first = pair.a.run(["bash", "-c", watching]).stdout.split()
    pair.a.run(script("bird", "reload"))
    assert first[:1] == pair.a.run(["bash", "-c", watching]).stdout.split()[:1]

    pair.a.run(["kill", *first])
    wait(lambda: pair.a.run(["bash", "-c", watching], check=False).returncode)
    said = pair.a.run(script("bird", "check"), check=False).stdout
    assert said == "bird: bird-roas.bash does not run: if ROAs change, routes are not filtered again\n"
    pair.a.run(script("bird", "reload"))
    assert pair.a.run(script("bird", "check")).stdout == ""
    pair.a.run(script("bird", "down"))
    assert pair.a.run(["bash", "-c", watching], check=False).stdout == ""


def test_a_name_that_no_dns_server_knows_holds_bird_up_for_seconds_only(lab: Lab, tmp_path: Path) -> None:
    """All of BIRD stands still while it looks one up: 28 s by default."""
    pair = Pair(lab, tmp_path, system='roa = { rtr = "rtr.example:8282" }')
    servers = [f"192.0.2.{number}" for number in (53, 54, 55)]
    for server in servers:
        pair.a.run(["ip", "addr", "add", f"{server}/32", "dev", "lo"])
    silent = "table inet silent { chain i { type filter hook input priority 0; udp dport 53 counter drop; }; }"
    pair.a.run(["nft", silent])
    pair.a.write("/etc/resolv.conf", "".join(f"nameserver {server}\n" for server in servers))
    pair.up_to_the_session()
    began = since(pair.a)

    at = time.monotonic()
    pair.a.run(["birdc", "-s", SOCKET, "restart roa_rtr1"])
    pair.a.run(["birdc", "-s", SOCKET, "show status"])
    assert time.monotonic() - at < 10
    assert "counter packets 0 " not in pair.a.run(["nft", "list", "ruleset"]).stdout
    assert since(pair.a) == began


def test_a_reload_waits_for_a_bird_that_stands_still(lab: Lab, tmp_path: Path) -> None:
    """As one does that an earlier release started, and that looks up a name."""
    pair = Pair(lab, tmp_path)
    pair.up()
    pair.change("local_pref = 77")
    pid = pair.a.run(["cat", "/run/netc/bird.pid"]).stdout.strip()
    pair.a.start(["bash", "-c", f"kill -STOP {pid}; echo stopped; sleep 33; kill -CONT {pid}"]).wait_for("stopped")
    pair.a.run(script("bird", "reload"), timeout=80)
    wait(lambda: attributes(pair.a, X4).get("local_pref") == "77")


@pytest.mark.parametrize(("more", "is_reset"), [("", True), ("import_table = true", False)])
def test_a_changed_filter_resets_the_session_of_a_neighbour_without_route_refresh(
    lab: Lab, tmp_path: Path, more: str, is_reset: bool
) -> None:
    """With `import_table` it does not: BIRD has the routes as they came. The far end is BIRD alone, as FRR has route
    refresh always: without it, it says no capability at all, and has neither its ASN of 32 bits nor IPv6."""
    pair = Pair(lab, tmp_path, more, far="enable route refresh off;")
    pair.up()
    began = since(pair.a)
    pair.change(f"local_pref = 77\n{more}")
    said = pair.a.run(script("bird", "reload"))
    wait(lambda: attributes(pair.a, X4).get("local_pref") == "77")

    assert (since(pair.a) != began) == is_reset
    assert ("reset, because its neighbour has no route refresh: peer_x" in said.stderr) == is_reset
