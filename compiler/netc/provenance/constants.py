"""What constants of bird.conf mean: a file defines each in one line, with a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DEFINED = re.compile(r"^define (?P<name>[A-Z]\w*) = (?P<value>.+); # (?P<about>.+)$", re.M)
_KIND = {1: "the community ", 2: "the large community "}
"""By the number of commas."""


def meanings(text: str, line: str) -> Iterator[str]:
    """A sentence for each constant that a line of this text uses."""
    if line.startswith("define "):
        return
    for found in _DEFINED.finditer(text):
        if re.search(rf"\b{found['name']}\b", line):
            yield f"{found['name']} is {_said(found['value'])}: {found['about']}."


def _said(value: str) -> str:
    if value.startswith("["):
        return f"the set {value}"
    return _KIND.get(value.count(","), "") + value
