"""Does a ruleset fail, or does the kernel of this machine lack what the ruleset asks for?

The kernel answers both with "No such file or directory". So the judge loads, for each feature of the refused line, the
smallest ruleset that has it. If the kernel refuses that too, it lacks the feature, and the ruleset is not wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from netc.verify import process

_REFUSED = re.compile(r"^(\S+?):(\d+):\d+-\d+: Error: (.*)$", re.MULTILINE)
_BY_THE_KERNEL = re.compile(r"Could not process rule: (No such file or directory|Operation not supported)")

_FLOWTABLE = "flowtable f {\n hook ingress priority 0\n }"


def _rule(chain: str, rule: str) -> str:
    return f"chain c {{\n type {chain} priority 0\n {rule}\n }}"


_FEATURES = {
    "flowtable": _FLOWTABLE,
    "flow": _FLOWTABLE,
    "type nat": _rule("nat hook prerouting", ""),
    "type route": _rule("route hook output", ""),
    "masquerade": _rule("nat hook postrouting", "masquerade"),
    "redirect": _rule("nat hook prerouting", "redirect"),
    "dnat": _rule("nat hook prerouting", "dnat ip to 192.0.2.1"),
    "snat": _rule("nat hook postrouting", "snat ip to 192.0.2.1"),
    "fib": _rule("filter hook prerouting", "fib daddr type local"),
    "tproxy": _rule("filter hook prerouting", "meta l4proto tcp tproxy ip to :1"),
    "socket": _rule("filter hook prerouting", "socket transparent 1"),
    "synproxy": _rule("filter hook input", "tcp dport 1 synproxy mss 1460"),
    "reject": _rule("filter hook input", "reject"),
    "log": _rule("filter hook input", "log"),
    "limit": _rule("filter hook input", "limit rate 1/second"),
    "quota": _rule("filter hook input", "quota 1 mbytes"),
    "queue": _rule("filter hook input", "queue num 1"),
    "ct": _rule("filter hook input", "ct state new"),
    "ct count": _rule("filter hook input", "ct count over 1"),
    "ct helper": 'ct helper h {\n type "ftp" protocol tcp\n }',
    "notrack": _rule("filter hook prerouting", "notrack"),
    "maxseg": _rule("filter hook forward", "tcp flags syn tcp option maxseg size set rt mtu"),
    "numgen": _rule("filter hook input", "numgen inc mod 2 0"),
    "jhash": _rule("filter hook input", "jhash ip saddr mod 2 0"),
    "ipsec": _rule("filter hook input", "ipsec in reqid 1"),
    "osf": _rule("filter hook input", 'osf name "Linux"'),
}
"""Features that a kernel may be built without, by their word in a ruleset."""


def lacking(words: str, folder: Path, namespace: Sequence[str]) -> tuple[str, ...]:
    """The features to blame for everything that nft complains of in `words`; empty if only one complaint has none.

    `words` name files below `folder`; `namespace` is the command that leads into a network namespace.
    """
    refused = _REFUSED.findall(words)
    if not refused or len(refused) != words.count("Error:"):
        return ()
    tried: dict[str, bool] = {}
    for file, line, error in refused:
        if not _BY_THE_KERNEL.match(error):
            return ()
        features = _features(folder / file, int(line))
        for feature in features:
            if feature not in tried:
                tried[feature] = _is_refused(feature, namespace)
        if not any(tried[feature] for feature in features):
            return ()
    return tuple(sorted(feature for feature, is_refused in tried.items() if is_refused))


def _features(file: Path, line: int) -> tuple[str, ...]:
    """The features that a line names, or, where it opens a block, the line below it as well."""
    lines = file.read_text(encoding="utf-8").splitlines()[line - 1 :]
    there = "\n".join(lines[: 2 if lines and lines[0].rstrip().endswith("{") else 1])
    return tuple(feature for feature in _FEATURES if re.search(rf"\b{feature}\b", there))


def _is_refused(feature: str, namespace: Sequence[str]) -> bool:
    nft = process.find("nft") or "nft"
    ruleset = f"table inet netc_trial {{\n {_FEATURES[feature]}\n}}\n"
    answer = process.ask((*namespace, nft, "-c", "-f", "-"), text=ruleset)
    return isinstance(answer, process.Answer) and _BY_THE_KERNEL.search(answer.words) is not None
