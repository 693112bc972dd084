"""`nft -c`: every ruleset, in a network namespace of its own, against the kernel of this machine.

A copy is judged in which what the target has and this machine lacks is stood in for: files below /etc, users,
groups and control groups that rules match, devices of flowtables. Interfaces that `iif` and `oif` name are not, since
at boot, when the ruleset is loaded, the target has them as little as this machine. Only what the elements of a set are
added to is loaded, into a namespace that ends with the check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec.structs import replace

from netc.emit.file import File
from netc.verify import namespace, nft_kernel, process, tree
from netc.verify.verdict import Outcome, Verdict, could_not_run, trimmed, verdict

JUDGE = "nft -c"

SETS = "files/etc/netc/sets/"

_INCLUDE = re.compile(r'^(\s*include\s+")(/[^"]*)"', re.MULTILINE)
_DECLARED = re.compile(r"^\s*(?:set|map)\s+([\w.-]+)\s*\{", re.MULTILINE)
_NAMED = re.compile(r"@(set[46]_[\w.-]+)")
_OWNER = re.compile(r'(\bsk[ug]id\s+(?:[!=]=\s*)?)(?!v?map\b)"?[a-z_][\w-]*"?', re.IGNORECASE)
_CONTROL_GROUP = re.compile(r'(\bsocket\s+cgroupv2\s+level\s+\d+\s+(?:[!=]=\s*)?)"[^"]*"')
_DEVICES = re.compile(r"\bdevices?\s*=?\s*(\{[^}]*\}|\S+)")
_NO_VERDICT = {
    "Message too long": "To enable: run as root, because a user's namespace takes about 450 rules in one transaction",
    "cache initialization failed": "To enable: modprobe nf_tables, or run as root",
    "Operation not permitted": namespace.TO_ENABLE,
    "User does not exist": "To enable: write the user's number, or make the user on this machine",
    "Group does not exist": "To enable: write the group's number, or make the group on this machine",
}
"""What nft says when the trouble is this machine's, and what to do about it."""

_SCRIPT = """
for device in "${@:3}"; do
    ip link add "$device" type dummy || ip link add "$device" type bridge
done >/dev/null 2>&1
for beneath in $2; do nft -I files/etc -f "./$beneath" || exit; done
exec nft -c -I files/etc -f "./$1"
"""


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """One process a ruleset. A file that another includes is judged as a part of that one."""
    rulesets = tuple(file for file in files if file.path.endswith(".nft"))
    if not rulesets:
        return ()
    if process.find("nft") is None:
        return could_not_run(JUDGE, rulesets, "rulesets", "nft is missing. To enable: apt-get install nftables")
    there = namespace.enter()
    if isinstance(there, process.Silence):
        return could_not_run(JUDGE, rulesets, "rulesets", there.reason)
    with tree.on_disk(_as_here(file) for file in rulesets) as folder:
        whole = {file.path: _judge(file, rulesets, folder, there) for file in _whole(rulesets)}
    parts = (_as_part(file, rulesets, whole) for file in rulesets)
    return tuple(part for part in parts if part is not None)


def _judge(file: File, rulesets: Sequence[File], folder: Path, there: tuple[str, ...]) -> Verdict:
    arguments = (file.path, _beneath(file, rulesets), *_devices(rulesets))
    bash = process.find("bash") or "bash"
    answer = process.ask((*there, bash, "-c", _SCRIPT, "nft", *arguments), folder)
    if isinstance(answer, process.Silence):
        return Verdict(JUDGE, file.path, Outcome.COULD_NOT_RUN, answer.reason)
    words = answer.words.replace(f"./{tree.ROOT}", "/")
    if answer.status == 0:
        return Verdict(JUDGE, file.path, Outcome.PASSED, trimmed(words))
    for sign, enable in _NO_VERDICT.items():
        if sign in words and words.count("Error:") == words.count(sign):
            return Verdict(JUDGE, file.path, Outcome.COULD_NOT_RUN, trimmed(f"{words}\n{enable}"))
    lacking = nft_kernel.lacking(answer.words, folder, there)
    if lacking:
        reason = f"this kernel lacks {', '.join(lacking)}. To enable: modprobe it, or build on a kernel that has it"
        return Verdict(JUDGE, file.path, Outcome.COULD_NOT_RUN, trimmed(f"{reason}\n{words}"))
    return verdict(JUDGE, file.path, process.died(answer) + words or f"exit status {answer.status}")


def _as_here(file: File) -> File:
    """The file with absolute includes redirected to the tree of the check, owners replaced by a number (65533 is as
    good as any), and control groups replaced by the root, which always exists."""
    text = _INCLUDE.sub(lambda found: f'{found[1]}./{tree.ROOT}{found[2].lstrip("/")}"', file.text)
    text = _CONTROL_GROUP.sub(r'\g<1>"."', _OWNER.sub(r"\g<1>65533", text))
    return replace(file, text=text, mode=0o644)


def _beneath(file: File, rulesets: Sequence[File]) -> str:
    """The files to load into the namespace first: for the elements of a set alone, the one that has the set; for rules,
    those of the sets that they name. No path of netc's has a space."""
    others = [other for other in rulesets if other is not file]
    if not file.path.startswith(SETS):
        named = {*_NAMED.findall(file.text)}
        sets = (other for other in others if other.path.startswith(SETS) and named & {*_DECLARED.findall(other.text)})
        return " ".join(other.path for other in sets)
    name = Path(file.path).stem
    return next((other.path for other in others if name in _DECLARED.findall(other.text)), "")


def _devices(rulesets: Sequence[File]) -> tuple[str, ...]:
    """Devices that nft binds to (flowtables, ingress chains): before Linux 6.16 they must exist even for a check."""
    groups = [group for file in rulesets for group in _DEVICES.findall(file.text)]
    return tuple(sorted({name for group in groups for name in re.findall(r"[\w.@-]+", group)} - {"lo"}))


def _whole(rulesets: Sequence[File]) -> tuple[File, ...]:
    return tuple(file for file in rulesets if _includer(file, rulesets) is None)


def _includer(file: File, rulesets: Sequence[File]) -> File | None:
    path = tree.below_root(file.path)
    for other in rulesets:
        patterns = (found[2] for found in _INCLUDE.finditer(other.text))
        if other is not file and any(fnmatchcase(path, pattern) for pattern in patterns):
            return other
    return None


def _as_part(file: File, rulesets: Sequence[File], whole: dict[str, Verdict]) -> Verdict | None:
    """The verdict on the ruleset that a file ends up in."""
    top, seen = file, {file.path}
    while (includer := _includer(top, rulesets)) is not None and includer.path not in seen:
        top = includer
        seen.add(top.path)
    found = whole.get(top.path)
    if found is None or top is file:
        return found
    detail = trimmed(f"included by {top.path}\n{found.detail}")
    return Verdict(JUDGE, file.path, found.outcome, detail)
