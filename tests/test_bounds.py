"""What a unit of netc's may do: no more than its commands need, and nothing that hides from the host what they do."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache

from examples import EXAMPLES, compiled
from live.needs import require
from netc.emit.file import File
from netc.verify import tree
from topologies import FULL, document

UNITS = "files/etc/systemd/system/"
FOREIGN = "foreign"

EXPOSURE = {
    **dict.fromkeys(("firewall", "set"), 4.6),
    **dict.fromkeys(
        ("bird-table", "bridge", "edge", "forwarding", "guard", "loopback", "nested", "offload", "split", "uplink"),
        4.5,
    ),
    # These enter network namespaces, or load modules.
    **dict.fromkeys(("anycast", "namespace", "link", "mesh", "docker", "tcp"), 4.8),
    # These may hold a WireGuard device in userspace, inside a namespace.
    "tunnel": 5.1,
    "metrics": 4.7,
    # Reads what daemons, namespaces and processes of other users are.
    "write": 5.4,
    "bird": 5.5,
    "watch": 4.5,
    "hold": 4.6,
    "endpoints": 4.7,
    "check": 5.5,
    # Goes back from any change, and so may do all that an administrator may, but for what nothing of netc's does.
    "back": 6.8,
    # A program that netc does not know.
    FOREIGN: 9.6,
}
"""The highest figure of `systemd-analyze security` (systemd 252) by kind of unit; without bounds, 9.4 to 9.6."""

MOUNTING = re.compile(
    r"(?m)^(Private(Tmp|Devices|Mounts|IPC)|Protect(System|Home|KernelTunables|KernelModules|KernelLogs|ControlGroups|Proc)"
    r"|ProcSubset|MountFlags|(ReadWrite|ReadOnly|Inaccessible|Exec|NoExec)Paths|Bind(ReadOnly)?Paths|TemporaryFileSystem"
    r"|Root(Directory|Image)|(Mount|Extension)Images|ExtensionDirectories|IPCNamespacePath|DynamicUser)="
)
"""What gives a unit a mount namespace of its own (`exec_needs_mount_namespace` in systemd 252)."""


@cache
def hosts() -> tuple[tuple[File, ...], ...]:
    examples = [files for example in EXAMPLES for files in compiled(example.read_text()).values()]
    return (*examples, *compiled(document(FULL)).values())


def own_units(files: Sequence[File]) -> dict[str, str]:
    found = {file.path.removeprefix(UNITS): file.text for file in files if file.path.startswith(UNITS)}
    return {name: text for name, text in found.items() if re.fullmatch(r"netc-[^/]*\.service", name)}


def kind(unit: str, files: Sequence[File]) -> str:
    if any(file.path == f"{UNITS}{unit}.d/50-netc.conf" for file in files):
        return FOREIGN
    return re.sub(r"netc-(bird-table|[a-z]+).*", r"\1", unit)


def exposures(files: Sequence[File]) -> Iterator[tuple[str, float]]:
    with tree.on_disk(files) as folder:
        options = ("--offline=true", "--no-pager", f"--root={folder}/{tree.ROOT}")
        asked = ["systemd-analyze", "security", *options, *own_units(files)]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert said.stderr == ""
    for unit, figure in re.findall(r"exposure level for (\S+): (\d+\.\d)", said.stdout):
        yield unit, float(figure)


def version() -> int:
    said = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False).stdout
    return int(said.split()[1])


def test_no_unit_exceeds_its_known_exposure() -> None:
    require("" if shutil.which("systemd-analyze") else "could not run: apt-get install systemd")
    require("" if version() == 252 else f"could not run: systemd {version()} counts otherwise than Debian 12's 252")
    found: dict[str, dict[float, int]] = {}
    for files in hosts():
        seen = dict(exposures(files))
        assert seen.keys() == own_units(files).keys()
        for unit, figure in seen.items():
            counted = found.setdefault(kind(unit, files), {})
            counted[figure] = counted.get(figure, 0) + 1
    for name, counted in sorted(found.items()):
        print(f"{name:<12}", ", ".join(f"{figure} ({count} units)" for figure, count in sorted(counted.items())))

    assert found.keys() == EXPOSURE.keys()
    assert {name: max(counted) for name, counted in found.items() if max(counted) > EXPOSURE[name]} == {}
    assert min(found[FOREIGN]) > 9, "a program that nobody knows might need what it was denied"


def test_a_unit_may_enter_namespaces_if_and_only_if_its_script_does() -> None:
    both = set()
    for files in hosts():
        scripts = {file.path.removeprefix("files/etc/netc/parts/"): file.text for file in files}
        for unit, text in own_units(files).items():
            part = unit.removeprefix("netc-").removesuffix(".service")
            if f"{part}/up" not in scripts or "CapabilityBoundingSet=" not in text:
                continue
            enters = bool(
                re.search(r"\bnetns\b|\bip -n |^step (setting|remove_link) \S+ \S+ \w", scripts[f"{part}/up"], re.M)
            )
            assert ("CAP_SYS_ADMIN" in text) == enters, unit
            both.add(enters)
    assert both == {True, False}


def test_units_hide_no_mounts_from_the_host() -> None:
    """And BIRD, a userspace WireGuard and a check see what others mount."""
    for files in hosts():
        shared = [file.text for file in files if re.search(r"/system/netc-[^/]*\.service\.d/", file.path)]
        assert len(shared) >= 1
        for text in (*shared, *own_units(files).values()):
            assert not MOUNTING.search(text), text


def test_drop_ins_for_foreign_services_set_only_these_options() -> None:
    """But for the network and the slice that they were given, the names that they may ask, and folders that are hidden
    from them and therefore made first."""
    allowed = {"NetworkNamespacePath", "BindReadOnlyPaths", "InaccessiblePaths", "Slice", "ExecStartPost"}
    allowed |= {"TemporaryFileSystem", "ExecCondition"}
    told = set()
    for files in hosts():
        for file in files:
            if file.path.startswith(UNITS) and ".d/" in file.path and not file.path.startswith(f"{UNITS}netc-"):
                service = file.text.partition("[Service]")[2]
                told |= set(re.findall(r"(?m)^(\w+)=", service))
    assert told == allowed


def test_systemd_starts_every_unit_however_often_it_was_restarted() -> None:
    """Without, the sixth start within ten seconds fails, and with it what the unit is required by."""
    for files in hosts():
        units = [file for file in files if re.fullmatch(UNITS + r"netc-[^/]*\.(service|timer)", file.path)]
        assert units
        for unit in units:
            assert "StartLimitIntervalSec=0" in unit.text.partition("[Unit]")[2].partition("\n[")[0].split(), unit.path
