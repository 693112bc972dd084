"""`netc-host up` brings up links in one pass: what each part's own `up` does, and promises, all at once."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from live.compiled import compiled, down, parts, script, up
from live.delivered import KILL, PLACE, deliver, install, killed, netc_host
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import State, difference

pytestmark = pytest.mark.live

LINKS = 3


def topology(kind: str) -> str:
    """A hub with so many links, each with both families and routes,."""
    text = 'version = 1\nnetwork.name = "lab"\n'
    for number, host in enumerate(["hub", *(f"n{n}" for n in range(1, LINKS + 1))], 1):
        text += f'hosts.{host} = {{ id = {number}, wan = "eth0", addresses = "198.51.100.{number}/24"'
        text += f', public_key = "{public_key(private_key(host))}" }}\n'
    for n in range(1, LINKS + 1):
        text += f"""
[links.l{n}]
kind = "{kind}"
between = ["hub", "n{n}"]
ends.hub = {{ address = ["10.77.{n}.0/31", "fd77:{n}::/127"], routes = ["10.78.{n}.0/24", "fd78:{n}::/48"] }}
ends.n{n}.address = ["10.77.{n}.1/31", "fd77:{n}::1/127"]
"""
    return text


@pytest.fixture
def hub(lab: Lab, tmp_path: Path) -> Host:
    return installed(lab, tmp_path, "vxlan")


def installed(lab: Lab, folder: Path, kind: str) -> Host:
    """All is there, and down."""
    hub = lab.host("hub")
    lab.wire(hub, "eth0", lab.host("world"), "hub", a_addresses=["198.51.100.1/24"])
    hub.write("/etc/netc/keys/host.key", private_key("hub") + "\n", 0o600)
    deliver(lab, hub, compiled(topology(kind), folder)["hub"])
    install(hub, "--commit")
    netc_host(hub, "down")
    return hub


def one_by_one(hub: Host) -> State:
    up(hub)
    state = hub.state()
    down(hub)
    return state


def journals(hub: Host) -> dict[str, list[str]]:
    return {part: hub.read(f"/run/netc/{part}").splitlines() for part in parts(hub)}


@pytest.mark.parametrize("kind", ["vxlan", pytest.param("wireguard", marks=pytest.mark.stock)])
def test_a_batch_leaves_the_same_state_as_the_scripts_of_its_parts(lab: Lab, tmp_path: Path, kind: str) -> None:
    hub = installed(lab, tmp_path, kind)
    start = hub.state()
    up(hub)
    good, noted = hub.state(), journals(hub)
    down(hub)

    assert netc_host(hub, "up").stderr == ""
    assert difference(good, hub.state()) == ""
    assert journals(hub) == noted
    assert netc_host(hub, "up").stderr.count("is up\n") == LINKS
    assert difference(good, hub.state()) == ""
    netc_host(hub, "down")
    assert difference(start, hub.state()) == ""


def test_a_batch_calls_ip_six_times_for_any_number_of_links(hub: Host) -> None:
    """Few programs are started, however many links there are."""
    hub.write("/usr/local/sbin/ip", '#!/bin/bash\necho "$*" >>/tmp/asked\nexec /usr/sbin/ip "$@"\n', 0o755)
    netc_host(hub, "up")
    asked = hub.read("/tmp/asked").splitlines()

    assert asked == [f"-force {flag}-batch -" for flag in ("", "-4 ", "-6 ", "", "-4 ", "-6 ")]


def test_a_link_that_fails_is_reported_and_the_others_come_up(hub: Host) -> None:
    hub.run(["ip", "link", "add", "vx-n2", "type", "veth", "peer", "other"])
    done = netc_host(hub, "up", check=False)

    assert done.returncode == 1
    assert done.stderr == (
        "netc: link-l2: an interface vx-n2 exists already, and does not belong to this part\n"
        "netc: link-l2: not up or broken; netc-host check prints what is missing\n"
    )
    assert hub.run(["ls", "/run/netc"]).stdout.split() == ["link-l1", "link-l3"]
    hub.run(["ip", "link", "delete", "vx-n2"])
    netc_host(hub, "up")
    assert hub.run(["ls", "/run/netc"]).stdout.split() == parts(hub)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("ip link add mine type vxlan id {vni} local 198.51.100.1 dstport 4789", "already exists"),
        ("ip route add 10.78.3.0/24 dev eth0", "File exists"),
    ],
    ids=["first step", "last step"],
)
def test_a_failed_step_undoes_its_own_link_only(hub: Host, before: str, said: str) -> None:
    vni = re.search(r" id (\d+) ", hub.read(script("link-l3", "up")[1]))
    assert vni
    hub.run(before.format(vni=vni[1]).split())
    start = hub.state()
    done = netc_host(hub, "up", check=False)

    assert done.returncode == 1
    assert said in done.stderr
    assert "netc: link-l3: failed: ip " in done.stderr
    assert "link-l1" not in done.stderr + done.stdout
    assert hub.run(["ls", "/run/netc"]).stdout.split() == ["link-l1", "link-l2"]
    netc_host(hub, "down")
    assert difference(start, hub.state()) == ""


def test_up_recovers_if_an_ip_batch_ends_early(hub: Host) -> None:
    """`ip` ends in the middle, as it does where it cannot read a line, or is killed."""
    good = one_by_one(hub)
    cut = 'if [[ $* == *-batch* ]]; then head -n 2 | /usr/sbin/ip "$@"; exit 255; fi\nexec /usr/sbin/ip "$@"\n'
    hub.write("/usr/local/sbin/ip", f"#!/bin/bash\n{cut}", 0o755)

    assert netc_host(hub, "up").stderr == ""
    assert difference(good, hub.state()) == ""


def test_after_a_kill_at_any_moment_the_next_run_ends_clean(hub: Host) -> None:
    start, good = hub.state(), one_by_one(hub)
    hub.write(PLACE, KILL)
    last = killed(hub, ["/usr/local/sbin/netc-host", "up"], "up", 10**9)
    assert last > 100
    netc_host(hub, "down")
    for number, at in enumerate(range(1, last, max(1, last // 14))):
        killed(hub, ["/usr/local/sbin/netc-host", "up"], "up", at)
        if number % 2:
            netc_host(hub, "up")
            assert difference(good, hub.state()) == "", f"up after a kill at {at} of {last}"
        netc_host(hub, "down")
        assert difference(start, hub.state()) == "", f"down after a kill at {at} of {last}"


def test_sigterm_undoes_links_that_are_half_up(hub: Host) -> None:
    start = hub.state()
    slow = '[[ $* != "-force -6 -batch -" ]] || { touch /tmp/here; sleep 3; }\nexec /usr/sbin/ip "$@"\n'
    hub.write("/usr/local/sbin/ip", f"#!/bin/bash\n{slow}", 0o755)
    running = hub.start(["bash", "-c", 'netc-host up & wait "$!"'])
    hub.run(["bash", "-c", "until [[ -e /tmp/here ]]; do sleep 0.05; done"])
    hub.run(["bash", "-c", "kill $(pgrep -f 'netc-host up$' | head -n 1)"])
    running.wait(30)

    hub.run(["bash", "-c", "until flock -n /etc/netc/parts true; do sleep 0.05; done"])
    assert difference(start, hub.state()) == ""


def test_a_batch_and_the_scripts_of_parts_wait_for_each_other(hub: Host) -> None:
    good = one_by_one(hub)
    runs = [hub.start(["netc-host", "up"]) for _ in range(3)] + [hub.start(script(part, "up")) for part in parts(hub)]

    assert [run.wait(60) for run in runs] == [0] * len(runs)
    assert difference(good, hub.state()) == ""
    for verb in ("down", "up"):
        share = hub.start(["flock", "--shared", "/etc/netc/parts", "sleep", "1.5"])
        netc_host(hub, verb)
        assert not share.alive  # a pass has it alone
        share = hub.start(["flock", "--shared", "/etc/netc/parts", "sleep", "60"])
        for part in parts(hub):
            hub.run(script(part, verb))
        assert share.alive  # scripts share it
        share.stop(signal.SIGKILL)
