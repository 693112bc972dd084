"""`netc deploy` over a stand-in for ssh, which runs things inside hosts of the lab, and fails where it is told to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from live.lab import ENVIRONMENT, Host, Lab

pytestmark = pytest.mark.live

NAMES = ("one", "two", "three")
TOPOLOGY = 'version = 1\nnetwork.name = "lab"\n' + "".join(
    f'hosts.{name} = {{ id = {id}, wan = "eth0", addresses = "198.51.100.{id}0/24" }}\n'
    for id, name in enumerate(NAMES, 1)
)
LINK = 'links.{} = {{ kind = "vxlan", between = ["{}", "{}"], vni = {} }}\n'
OLD = TOPOLOGY + LINK.format("a", "one", "two", 7) + LINK.format("b", "two", "three", 8)
NEW = OLD + LINK.format("c", "three", "one", 9)

# Says 255 as ssh does where it does not get through. A line of `fail` is `HOST WHAT`: each time, before anything is
# done; or `HOST WHAT-unheard` and `HOST WHAT-cut`, once: when all is done, or as the host first says something. Before
# `HOST confirm-broken` a part goes down, and before `HOST confirm-other` the change becomes somebody else's, once.
SSH = r"""#!/usr/bin/env bash
lab=$(dirname "$0")
[[ $1 == -T ]] || { grep -s "^$3 " "$lab/jumps" | sed 's/.* /proxyjump /'; exit; }
while [[ $1 != -- ]]; do options+=("$1"); shift; done
host=$2 command=$3
case $command in
  *'head -c'*) what=verify ;;
  *mktemp*) what=copy ;;
  *'netc-host install'*) what=install ;;
  *confirm*) what=confirm ;;
  *revert*) what=revert ;;
  *back*) what=back ;;
  *'status --json'*) what=status ;;
  *) what=look ;;
esac
[[ $what != @(confirm|look|revert) || "${options[*]} " == *" -S none "* ]] || { echo "an old connection" >&2; exit 99; }
echo "$host $what" >>"$lab/log"
fails() { grep -qsx "$host $1" "$lab/fail"; }
once() { fails "$1" && sed -i "/^$host $1\$/d" "$lab/fail"; }
! fails "$what" || { echo "ssh: connect to host $host port 22: Connection refused" >&2; exit 255; }
read -r pid <"$lab/$host.pid"
there() {
  setpriv --bounding-set=-sys_time \
    nsenter --target="$pid" --mount --net --uts --pid -- env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 sh -c "$command"
}
if once "$what-broken"; then
  command="/etc/netc/parts/link-b/down; $command"
fi
if once "$what-other"; then
  command="echo x | sha256sum >/var/lib/netc/pending/wanted; $command"
fi
if once "$what-unheard"; then
  there >"$lab/unheard" 2>&1
elif once "$what-cut"; then
  there 2>&1 >"$lab/unheard" | head -n 0
else
  there
  exit
fi
exit 255
"""


@dataclass
class Fleet:
    hosts: dict[str, Host]
    folder: Path

    def deploy(self, topology: str, *options: str, within: int = 60) -> subprocess.CompletedProcess[str]:
        return self.netc("deploy", topology, "--within", str(within), *options)

    def netc(self, verb: str, topology: str, *options: str) -> subprocess.CompletedProcess[str]:
        topo = self.folder / "topo.toml"
        topo.write_text(topology)
        words = [sys.executable, "-c", "from netc.cli import main; main()", verb, str(topo)]
        words += ["--ssh", str(self.folder / "ssh"), *options]
        path = {"PATH": f"{os.environ['PATH']}:{ENVIRONMENT['PATH']}"}
        (self.folder / "log").unlink(missing_ok=True)
        return subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | path)

    def fail(self, *lines: str) -> None:
        (self.folder / "fail").write_text("".join(f"{line}\n" for line in lines))

    def log(self, *kinds: str) -> list[str]:
        lines = (self.folder / "log").read_text().splitlines()
        return [line for line in lines if not kinds or line.split()[1] in kinds]

    def links(self) -> dict[str, int]:
        """How many VXLANs are up on each host; in NEW each has two, in OLD `two` alone."""
        show = ["ip", "-o", "link", "show", "type", "vxlan"]
        return {name: len(host.run(show).stdout.splitlines()) for name, host in self.hosts.items()}

    def clean(self) -> bool:
        find = ["find", "/var/tmp", "/var/lib/netc/pending", "-name", "netc-*", "-o", "-name", "pending"]
        return all(host.run(find, check=False).stdout == "" for host in self.hosts.values())


@pytest.fixture
def fleet(lab: Lab, tmp_path: Path) -> Fleet:
    world = lab.host("world")
    hosts = {}
    for id, name in enumerate(NAMES, 1):
        host = lab.host(name)
        lab.wire(host, "eth0", world, name, a_addresses=[f"198.51.100.{id}0/24"])
        (tmp_path / f"{name}.pid").write_text(f"{host.pid}\n")
        hosts[name] = host
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    return Fleet(hosts, tmp_path)


def outcomes(said: subprocess.CompletedProcess[str]) -> dict[str, str]:
    rows = (re.split(r"  +", line) for line in said.stdout.splitlines()[1:])
    return {row[0]: row[1] for row in rows}


def all_of(what: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, what)


AT_OLD = {"one": 1, "two": 2, "three": 1}
AT_NEW = {"one": 2, "two": 2, "three": 2}


def test_hosts_are_changed_one_after_the_other_and_confirmed(fleet: Fleet) -> None:
    said = fleet.deploy(OLD, "--canary", "two")
    assert (said.returncode, outcomes(said)) == (0, all_of("confirmed")), said.stderr
    steps = [f"{name} {what}" for name in ("two", "one", "three") for what in ("copy", "install", "confirm")]
    assert fleet.log() == steps
    assert fleet.links() == AT_OLD

    again = fleet.deploy(OLD, "--limit", "3")
    assert (again.returncode, outcomes(again)) == (0, all_of("unchanged"))
    assert fleet.log("confirm", "back") == []

    (fleet.folder / "jumps").write_text("three one\ntwo three\n")
    said = fleet.deploy(NEW, "--host", "one", "--host", "three")
    assert (said.returncode, outcomes(said)) == (0, {"one": "confirmed", "three": "confirmed"})
    assert fleet.log("install") == ["three install", "one install"], "one leads to three"
    assert "confirm " not in re.sub(r"confirm, over", "", said.stderr), "the token is nobody's business"
    assert fleet.links() == AT_NEW
    assert fleet.clean()


def test_status_asks_all_hosts_at_once(fleet: Fleet) -> None:
    assert fleet.deploy(OLD).returncode == 0
    said = fleet.netc("status", OLD)
    assert said.returncode == 0, said.stderr
    assert [re.split(r"  +", line) for line in said.stdout.splitlines()] == [
        ["host", "generation", "parts", "peers", "sessions", "anycast", "change"],
        *([name, "as in TOPO", f"{parts} up", *"----"] for name, parts in (("one", 1), ("three", 1), ("two", 2))),
    ]

    fleet.hosts["two"].run(["/etc/netc/parts/link-b/down"])
    fleet.hosts["one"].run(["ip", "link", "delete", "vx-two"])
    fleet.fail("three status")
    said = fleet.netc("status", NEW)
    _, one, three, _, _, *told = said.stdout.splitlines()
    assert said.returncode == 1
    assert re.fullmatch(r"one +[0-9a-f]{16} +0 of 1 up( +-){4}", one)
    assert three == "three  not reached: ssh: connect to host three port 22: Connection refused"
    assert re.fullmatch(r"one: it has [0-9a-f]{16}, and the topology compiles to [0-9a-f]{16}", told[0])
    assert told[1].startswith("one: part link-a is broken: link vx-two (")
    assert told[-1] == "two: part link-b is down"

    found = json.loads(fleet.netc("status", OLD, "--json", "--host", "one", "--host", "three").stdout)
    assert found["one"]["state"]["generation"] == found["one"]["wanted"]
    assert found["one"]["state"]["parts"] == [{"name": "link-a", "state": "broken"}]
    assert (found["three"]["state"], found["three"]["well"]) == (None, False)


FAILURES = {
    "two copy": "not reached",
    "two confirm": "rolled back",
    "two install-cut": "rolled back",
    "two install-unheard": "rolled back",
    "": "refused",
}


def test_a_host_that_is_not_confirmed_rolls_back_and_ends_the_deploy(fleet: Fleet) -> None:
    two = fleet.hosts["two"]
    assert fleet.deploy(OLD, "--host", "two").returncode == 0
    first = "confirmed"
    for failure, outcome in FAILURES.items():
        fleet.fail(failure)
        if outcome == "refused":
            two.write("/etc/netc/parts/link-a/up", "# changed by hand\n")
        said = fleet.deploy(NEW.replace("vni = 7", "vni = 10"), within=8)
        assert said.returncode == 1
        assert outcomes(said) == {"one": first, "two": outcome, "three": "not begun"}, said.stderr
        first = "unchanged"
        assert fleet.links() == {"one": 2, "two": 2, "three": 0}
        assert "vxlan id 7 " in two.run(["ip", "-d", "link"]).stdout
        assert "three copy" not in fleet.log()
        assert fleet.clean()


def test_a_host_that_refuses_to_confirm_rolls_back_at_once(fleet: Fleet) -> None:
    assert fleet.deploy(OLD, "--limit", "3").returncode == 0
    fleet.fail("two confirm-broken")
    said = fleet.deploy(NEW.replace("vni = 7", "vni = 10"), within=3600)  # it does not wait until its time is over
    assert outcomes(said) == {"one": "confirmed", "two": "rolled back", "three": "not begun"}
    assert "link-b is not up" in said.stdout
    assert fleet.log("revert") == ["two revert"]
    assert fleet.links() == {"one": 2, "two": 2, "three": 1}
    assert "vxlan id 7 " in fleet.hosts["two"].run(["ip", "-d", "link"]).stdout
    assert fleet.clean()


def test_a_change_with_another_token_is_not_rolled_back(fleet: Fleet) -> None:
    """It waits as long as before: the token is not that of the change that is under way."""
    host = fleet.hosts["one"]
    assert fleet.deploy(OLD, "--host", "one").returncode == 0
    fleet.fail("one confirm-other")
    said = fleet.deploy(NEW, "--host", "one", within=10)
    assert outcomes(said) == {"one": "rolled back"}
    assert "that is not the token" in said.stdout
    assert "nobody confirmed it in time" in host.read("/var/lib/netc/history")


def test_revert_all_rolls_back_confirmed_hosts_too(fleet: Fleet) -> None:
    assert fleet.deploy(OLD, "--limit", "3").returncode == 0
    fleet.fail("three confirm")
    said = fleet.deploy(NEW, "--revert-all", within=8)
    assert said.returncode == 1
    assert outcomes(said) == {"one": "reverted", "two": "unchanged", "three": "rolled back"}, said.stderr
    assert fleet.links() == AT_OLD
    assert fleet.clean()


def test_a_confirmation_counts_if_its_answer_is_lost(fleet: Fleet) -> None:
    fleet.fail("one confirm-unheard")
    said = fleet.deploy(OLD, "--host", "one", within=20)
    assert (said.returncode, outcomes(said)) == (0, {"one": "confirmed"}), said.stderr


def test_hosts_with_allowed_signers_accept_signed_bundles(fleet: Fleet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    fleet.hosts["one"].write("/etc/netc/allowed_signers", f"netc {key.with_suffix('.pub').read_text()}")
    said = fleet.deploy(OLD, "--host", "one")
    assert (said.returncode, outcomes(said)) == (1, {"one": "refused"})
    assert "is not signed" in said.stderr
    said = fleet.deploy(OLD, "--host", "one", "--key", str(key))
    assert (said.returncode, outcomes(said)) == (0, {"one": "confirmed"}), said.stderr


def test_how_a_host_differs_from_the_topology_is_shown_and_refused(fleet: Fleet) -> None:
    for route in (["default", "dev", "eth0", "metric", "50"], ["unreachable", "default", "metric", "1"]):
        fleet.hosts["one"].run(["ip", "route", "add", *route])  # odd
    fleet.hosts["two"].run(["ip", "link", "set", "dev", "eth0", "mtu", "1450"])
    said = fleet.deploy(OLD)
    assert (said.returncode, outcomes(said)) == (1, {"one": "confirmed", "two": "refused", "three": "not begun"})
    rows = re.findall(r"(?m)^(\w+): \|   (MTU|default).*? (\w+) +(odd|refused): ", said.stderr)
    assert rows == [("one", "default", "unreachable", "odd"), ("two", "MTU", "1450", "refused")]
    assert "write hosts.two.mtu = 1450" in said.stderr
    assert "this host is not as the topology says" in said.stdout
    assert fleet.links()["two"] == 0
