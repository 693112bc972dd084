"""What earlier releases compiled (`keep.py`), what today's netc makes of the same topologies, and hosts for both."""

from __future__ import annotations

import re
import tarfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples import netc
from live import delivered
from live.delivered import TREE, as_if_run, deliver, install, netc_host, token
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, State, without
from upgrade.keep import EXAMPLES

HERE = Path(__file__).parent
RELEASES = tuple(sorted(path.parent.name for path in HERE.glob("*/RELEASE")))
"""Commits, by their first seven digits."""

TOPOLOGIES = (*EXAMPLES, *sorted(path.stem for path in (HERE / "topologies").glob("*.toml")))

each_release = pytest.mark.parametrize("release", RELEASES)

STAND_IN = HERE.parent / "live" / "tunsafe.py"
SECRETS = {
    "password": "not-that-secret",
    "config": "address = 10.66.0.2/24\npeer = 192.0.2.77:51820\nlocal = 192.168.1.2:51820\n",
}
"""By the kind that /etc/netc/secrets gives them; all others are WireGuard's keys."""

EXAMPLE_KEYS = ("edge1", "node")
"""Whose keys hosts of other examples have as well."""

FATE = re.compile(r"(?m)^(leave|restart|reload|start|unit) +(\S+)$")
STAYS = (FORWARDING, r"accept_ra |table ip6? (filter|mangle|nat|raw|security)")
"""What `down` leaves and says so: in a state (docs/explanation/parts.md), …"""
STILL = r"/run/mount|d /run/(systemd(/resolve)?|nscd|avahi-daemon|dbus)\b|/accept_ra = "
"""What stays when a host goes back, too: folders of resolver daemons, since programs that still run have them hidden,
and router advertisements, which an interface goes on accepting."""
MEMORY = r"/var/lib/netc|  /run/netc/|/etc/netc/parts d "
"""netc's own, and a folder that has another mode since."""
KEPT = r"/var/lib/netc|  /run/netc/|/run/netns d |/etc/netc( |/keys)|/etc/g?(group|shadow)-?( |$)"
"""… and on the disk: keys, groups that others may be members of by now, and what is iproute2's."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One topology: `old/<host>` as a release compiled it, `new/<host>` as it is compiled today."""

    topo: Path
    old: Path
    new: Path


def renamed(text: str) -> str:
    """Of another name, and for that another generation; no part of it is another."""
    text, count = re.subn(r'(?m)^((?:network[.])?name = )".*"$', r'\1"later"', text, count=1)
    assert count == 1
    return text


def topologies() -> Path:
    """Those that are kept beside the examples."""
    return HERE / "topologies"


def unpacked(release: str, topology: str, folder: Path) -> Path:
    """`topo.toml`, what it names, and `out/<host>/`, in a folder inside `folder`."""
    with tarfile.open(HERE / release / "trees.tar.xz") as archive:
        wanted = [entry for entry in archive if entry.name.startswith(f"{topology}/")]
        assert wanted, f"{release} has kept no {topology}"
        archive.extractall(folder, wanted, filter="tar")
    return folder / topology


def upgrade(release: str, topology: str, folder: Path, change: Callable[[str], str] = renamed) -> Upgrade:
    """`change` is what the author changes meanwhile: without a change today's netc might compile the same."""
    kept = unpacked(release, topology, folder)
    topo, new = kept / "changed.toml", kept / "new"
    topo.write_text(change((kept / "topo.toml").read_text()))
    ran = netc("build", topo, "-o", new)
    assert ran.code == 0, ran.err
    return Upgrade(topo, kept / "out", new)


def wired(lab: Lab, name: str, made: Upgrade) -> Host:
    """A host as its image is, and as the topology says that it is; and with its secrets."""
    host = lab.host(name)
    plug(lab, host, lab.host("world"), made)
    give_secrets(host, made.old / name / "files/etc/netc/secrets")
    host.run(["mount", "-n", "-t", "cgroup2", "none", "/sys/fs/cgroup"])
    as_if_run(host)
    return host


def plug(lab: Lab, host: Host, world: Host, made: Upgrade) -> None:
    """Its interfaces with their addresses; at the other ends is whoever routes for it."""
    for device, addresses in interfaces(made.topo, host.name).items():
        routers = [re.sub(r"(:|[.])\w+/", r"\g<1>1/", address) for address in addresses]
        lab.wire(host, device, world, device, a_addresses=addresses, b_addresses=routers)


def interfaces(topo: Path, name: str) -> dict[str, list[str]]:
    """Names and addresses."""
    said = tomllib.loads(topo.read_text())["hosts"][name]
    found = {said["wan"]: _listed(said.get("addresses", "192.168.9.2/24"))}
    for uplink in said.get("uplinks", {}).values():
        if "interface" in uplink:
            found.setdefault(uplink["interface"], _listed(uplink["prefixes"]))
    return found


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def give_secrets(host: Host, listed: Path) -> None:
    """Those of /etc/netc/secrets: kind, place, what it belongs to, and of an identity the public half."""
    lines = listed.read_text().splitlines() if listed.exists() else []
    for kind, place, owner, *public in (line.split() for line in lines if not line.startswith("#")):
        known = [name for name in (host.name, *EXAMPLE_KEYS) if [public_key(private_key(name))] == public]
        host.write(place, SECRETS.get(kind, private_key([*known, owner][0])) + "\n", 0o600)
        if kind == "config":
            host.write("/usr/local/bin/tunsafe", STAND_IN.read_text(), 0o755)


def bring(lab: Lab, host: Host, trees: Path, *options: str) -> dict[str, str]:
    """Installs the tree of this host and confirms it: what was said that each part would do."""
    deliver(lab, host, trees / host.name)
    said = install(host, "--detach", *options)
    if said.stdout.splitlines()[-1].startswith("netc-host confirm"):
        netc_host(host, "confirm", token(said))
    return {part: fate for fate, part in FATE.findall(said.stdout)}


def at_rest(host: Host) -> tuple[State, str]:
    """All that a change could have changed, of a host of the lab."""
    return delivered.at_rest(host, STILL, MEMORY)


def without_what_stays(host: Host) -> tuple[State, str]:
    """The same, as it should be with and without netc."""
    state, places = delivered.at_rest(host, STILL, KEPT)
    return without(state, *STAYS), places


def generation(host: Host) -> str:
    """The one that is installed."""
    return host.run(["readlink", "/var/lib/netc/current"]).stdout.strip().rpartition("/")[2]


def delivered_generation(host: Host) -> str:
    """The one that waits in TREE."""
    return host.run(["bash", "-c", f"sha256sum <{TREE}/MANIFEST"]).stdout[:16]


INDEXES = """
for namespace in '' $(ip netns list | cut -d ' ' -f 1); do
    ip ${namespace:+-n "$namespace"} -o link show group 77 | sed -E "s/^([0-9]+): ([^:@]+).*/$namespace \\2 \\1/"
done
"""


def indexes(host: Host) -> dict[str, str]:
    """The numbers of netc's interfaces: one that was made anew has another."""
    lines = host.run(["bash", "-c", INDEXES]).stdout.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


KILL = """# bash reads this first (BASH_ENV). A change ends, with all of its process group, before one of its processes
# comes to its command number AT of the phase PHASE. Each counts on from where its parent was.
if [[ ${PHASE-} ]]; then
    netc_test_at='' netc_test_count=0
    # netc-host and steps.bash remove functions of their caller, so the function is kept as text.
    netc_test_function='netc_test_meet() {
        local phase process group _
        local at=/var/lib/netc/pending
        { read -r phase <"$at/phase" && read -r process <"$at/process"; } 2>/dev/null || return 0
        read -r _ _ _ _ group _ </proc/self/stat
        [[ $group == "$process" ]] || return 0
        [[ $phase == "$netc_test_at" ]] || netc_test_at=$phase netc_test_count=0
        netc_test_count=$((netc_test_count + 1))
        echo "$phase $netc_test_count" >>/tmp/commands
        [[ "$phase $netc_test_count" != "$PHASE $AT" ]] || kill -9 -- "-$process"
    }'
    set -o functrace
    trap 'declare -F netc_test_meet >/dev/null || eval "$netc_test_function"; netc_test_meet' DEBUG
fi
"""
KILL_PLACE = "/tmp/kill.bash"
PHASES = ("preparing", "stopping", "laying", "starting", "complete")


def killed(host: Host, argv: list[str], phase: str, at: int) -> dict[str, int]:
    """Runs it, and has the change that it makes killed before its command number `at` of the phase; 0: never. How many
    commands there were in each phase."""
    host.write(KILL_PLACE, KILL)
    host.run(["rm", "-f", "/tmp/commands"])
    env = {"BASH_ENV": KILL_PLACE, "PHASE": phase, "AT": str(at)}
    host.run(argv, env=env, check=False, timeout=180)
    most: dict[str, int] = {}
    for line in host.run(["sort", "-u", "/tmp/commands"], check=False).stdout.splitlines():
        name, number = line.split()
        most[name] = max(most.get(name, 0), int(number))
    return most
