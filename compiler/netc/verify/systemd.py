"""`systemd-analyze verify`: the units and drop-ins of a host, in a root that holds nothing of this machine.

The root has stand-ins for what the files refer to and the host itself has (targets, daemons that only get a drop-in,
their programs). It has none for what netc installs: the check has to find a command below /etc/netc, or a unit of
netc, that does not exist.

systemd 252 exits with 0 on unknown keys and bad values, so what it writes is the verdict, not its status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from netc.emit.file import File
from netc.verify import process, tree
from netc.verify.verdict import Verdict, could_not_run, verdict

JUDGE = "systemd-analyze verify"

UNITS = "files/etc/systemd/system/"
HOSTS_UNITS = "files/usr/lib/systemd/system/"

_OWN_COMMANDS = ("/etc/netc/", "/usr/lib/netc/", "/usr/local/sbin/netc-")
_UNIT = re.compile(r"[\w@.:\\-]+\.(?:service|socket|target|timer|path|mount|slice)\b")
_EXEC = re.compile(r'^Exec\w+=[ \t]*[-@:+!|]*"?([^\s"]+)', re.MULTILINE)
_OWN_UNIT = re.compile(r"^netc[-@.]")

_BOOT = {
    "sysinit.target": "DefaultDependencies=no",
    "basic.target": "Requires=sysinit.target\nAfter=sysinit.target",
    "network-pre.target": "",
    "network.target": "After=network-pre.target",
    "network-online.target": "After=network.target",
    "multi-user.target": "Requires=basic.target\nAfter=basic.target",
    "shutdown.target": "DefaultDependencies=no",
    "nftables.service": "DefaultDependencies=no\nWants=network-pre.target\nBefore=network-pre.target",
    "systemd-sysctl.service": "DefaultDependencies=no\nBefore=sysinit.target",
    "systemd-networkd.service": "DefaultDependencies=no\nAfter=network-pre.target\nBefore=network.target",
}
"""The order of a boot as Debian's own units have it, so that a cycle with it is found."""

_STAND_INS = {
    "service": "[Service]\nExecStart=/bin/true\n",
    "socket": "[Socket]\nListenStream=/run/stand-in\nAccept=yes\n",
    "target": "",
    "slice": "",
}
"""By kind. A service is of the simple kind, as daemons are: a second ExecStart= of a drop-in is then refused."""


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """One process for all units of the host, without root."""
    ours = tuple(file for file in files if _is_unit(file.path) or _is_drop_in(file.path))
    systemd_analyze = process.find("systemd-analyze")
    if systemd_analyze is None:
        reason = "systemd-analyze is missing. To enable: apt-get install systemd"
        return could_not_run(JUDGE, ours, "units", reason)
    if not ours:
        return ()
    stand_ins = _stand_in_units(ours)
    commands = _stand_in_commands((*ours, *stand_ins), files)
    with tree.on_disk((*stand_ins, *commands, *files)) as folder:
        root = str(folder / tree.ROOT.rstrip("/"))
        options = ("--no-pager", "--man=no", "--generators=no", f"--root={root}")
        answer = process.ask((systemd_analyze, "verify", *options, *_names(ours)), folder)
    if isinstance(answer, process.Silence):
        return could_not_run(JUDGE, ours, "units", answer.reason)
    lines = tuple(dict.fromkeys(answer.words.replace(root, "").splitlines()))
    return _verdicts(ours, answer, lines)


def _verdicts(ours: Sequence[File], answer: process.Answer, lines: Sequence[str]) -> tuple[Verdict, ...]:
    about = {file.path: [line for line in lines if file.path in _subjects(line, ours)] for file in ours}
    if answer.status and not any(about.values()):
        # It failed and names none of our files: trouble of its own, such as a release without --root=.
        reason = process.died(answer) + f"status {answer.status}: {answer.words}\nTo enable: systemd 250 or later"
        return could_not_run(JUDGE, ours, "units", reason)
    return tuple(verdict(JUDGE, path, "\n".join(complaints)) for path, complaints in about.items())


def _subjects(line: str, ours: Sequence[File]) -> frozenset[str]:
    """The files that a line is about: the one whose path it begins with, else those of every unit that it names."""
    by_path = frozenset(file.path for file in ours if _names_path(line, tree.below_root(file.path)))
    if by_path:
        return by_path
    named = frozenset(_template(name) for name in _UNIT.findall(line))
    fragments = {_unit_name(file.path): file.path for file in ours if _is_unit(file.path)}
    return frozenset(
        file.path
        for file in ours
        if _unit_name(file.path) in named
        # A complaint about a whole unit goes to its drop-ins only when the unit itself is the host's.
        and fragments.get(_unit_name(file.path), file.path) == file.path
    )


def _names_path(line: str, path: str) -> bool:
    return re.search(rf"(?<!\S){re.escape(path)}(?=[:\s]|$)", line) is not None


def _stand_in_units(ours: Sequence[File]) -> tuple[File, ...]:
    exist = {_unit_name(file.path) for file in ours if _is_unit(file.path)}
    with_drop_ins = {_unit_name(file.path) for file in ours if _is_drop_in(file.path)}
    mentioned = {name for file in ours for name in _UNIT.findall(_without_comments(file.text))}
    named = {*_BOOT, *with_drop_ins, *(name for name in mentioned if not _OWN_UNIT.match(name))}
    wanted = {*named, *(_served_by(name) for name in named if name.endswith(".socket"))}
    stand_ins = (_stand_in(name) for name in sorted(wanted - exist))
    return tuple(file for file in stand_ins if file is not None)


def _served_by(socket: str) -> str:
    """A socket with Accept=yes starts instances of its template, and is refused without one."""
    return re.sub(r"(@.*)?\.socket$", "@.service", socket)


def _stand_in(name: str) -> File | None:
    kind = name.rpartition(".")[2]
    if kind not in _STAND_INS:
        return None
    text = f"[Unit]\nDescription=Stands in for the host's own.\n{_BOOT.get(name, '')}\n{_STAND_INS[kind]}"
    return File(HOSTS_UNITS + name, text)


def _stand_in_commands(units: Iterable[File], files: Sequence[File]) -> tuple[File, ...]:
    """Programs of the host, empty but executable. Those that netc brings must be there already."""
    exist = {tree.below_root(file.path) for file in files}
    named = {command for unit in units for command in _EXEC.findall(unit.text)}
    paths = {command if command.startswith("/") else f"/usr/bin/{command}" for command in named}
    return tuple(
        File(tree.ROOT + path.removeprefix("/"), "", 0o755)
        for path in sorted(paths - exist)
        if not path.startswith(_OWN_COMMANDS) and not path.endswith("/") and "/../" not in path
    )


def _names(ours: Iterable[File]) -> tuple[str, ...]:
    return tuple(sorted({_unit_name(file.path) for file in ours}))


def _is_unit(path: str) -> bool:
    return _UNIT.fullmatch(path.removeprefix(UNITS)) is not None and path.startswith(UNITS)


def _is_drop_in(path: str) -> bool:
    folder, _, name = path.removeprefix(UNITS).partition("/")
    unit = _UNIT.fullmatch(folder.removesuffix(".d"))
    return path.startswith(UNITS) and name.endswith(".conf") and unit is not None


def _unit_name(path: str) -> str:
    """`x.service` of the unit's own file and of each of its drop-ins."""
    return path.removeprefix(UNITS).partition("/")[0].removesuffix(".d")


def _template(name: str) -> str:
    """systemd-analyze verifies `x@.service` as `x@i.service`."""
    return re.sub(r"@i\.(?=\w+$)", "@.", name)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
