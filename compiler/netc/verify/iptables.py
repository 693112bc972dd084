"""iptables-restore and `ipset restore`: every file is loaded, into a network namespace that ends with the check.

It loads them because `--test` does not ask the kernel. It loads a copy with stand-ins for what the host has and this
machine lacks: numbers for users and groups, the root control group for others, empty sets for sets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from netc.emit.file import File
from netc.verify import namespace, process, tree
from netc.verify.verdict import Outcome, Verdict, could_not_run, trimmed, verdict

JUDGE = "iptables-restore"

_PROGRAMS = {"ip6tables.rules": "ip6tables-restore", "iptables.rules": "iptables-restore", ".ipset": "ipset"}
"""By how a path ends."""

_OWNER = re.compile(r"(--[ug]id-owner\s+)\S+")
_CONTROL_GROUP = re.compile(r"(-m cgroup (?:! )?--path )\S+")
_SET = re.compile(r"--match-set\s+(\S+)")

_LOAD = {
    "iptables-restore": 'exec iptables-restore --noflush <"$1"',
    "ip6tables-restore": 'exec ip6tables-restore --noflush <"$1"',
    "ipset": 'ipset restore -file "$1" && exec ipset restore -file "$1"',  # a second time changes it
}
_SETS = """
family=inet; [[ $0 != ip6* ]] || family=inet6
for set in "${@:2}"; do ipset create "$set" hash:net family "$family" || exit; done
"""

_NO_VERDICT = {
    "missing kernel module": "To enable: load the module (modprobe), or run as root",
    "Permission denied": namespace.TO_ENABLE,
    "Operation not permitted": namespace.TO_ENABLE,
}
"""What they say when the trouble is this machine's, and what to do about it."""


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """One process a file."""
    mine = tuple(file for file in files if _program(file))
    if not mine:
        return ()
    lacking = [name for name in {_program(file) for file in mine} | {"ipset"} if process.find(name) is None]
    if lacking:
        package = "ipset" if lacking == ["ipset"] else "iptables ipset"
        reason = f"{sorted(lacking)[0]} is missing. To enable: apt-get install {package}"
        return could_not_run(JUDGE, mine, "files", reason)
    there = namespace.enter()
    if isinstance(there, process.Silence):
        return could_not_run(JUDGE, mine, "files", there.reason)
    return tuple(_judge(file, there) for file in mine)


def _program(file: File) -> str:
    return next((program for end, program in _PROGRAMS.items() if file.path.endswith(end)), "")


def _judge(file: File, there: tuple[str, ...]) -> Verdict:
    program = _program(file)
    text = _CONTROL_GROUP.sub(r"\g<1>/", _OWNER.sub(r"\g<1>65533", file.text))
    copy = replace(file, text=text, mode=0o644)
    with tree.on_disk([copy]) as folder:
        bash = process.find("bash") or "bash"
        sets = sorted(set(_SET.findall(file.text)))
        answer = process.ask((*there, bash, "-c", _SETS + _LOAD[program], program, file.path, *sets), folder)
    if isinstance(answer, process.Silence):
        return Verdict(JUDGE, file.path, Outcome.COULD_NOT_RUN, answer.reason)
    if answer.status == 0:
        return Verdict(JUDGE, file.path, Outcome.PASSED)
    for sign, enable in _NO_VERDICT.items():
        if sign in answer.words:
            return Verdict(JUDGE, file.path, Outcome.COULD_NOT_RUN, trimmed(f"{answer.words}\n{enable}"))
    return verdict(JUDGE, file.path, process.died(answer) + answer.words or f"exit status {answer.status}")
