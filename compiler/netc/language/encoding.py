"""What a file that is no UTF-8 is, and how to convert it."""

from __future__ import annotations

import codecs
import shlex

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def encoding_of(data: bytes) -> str:
    """`UTF-16` as PowerShell and Notepad write it, `ISO-8859-1` of other text; empty for what is no text."""
    start = data[:200]
    if start.startswith(UTF16) or start.count(0) > len(start) // 3:
        return "UTF-16"
    return "" if 0 in data[:8000] else "ISO-8859-1"


def converted(name: str, encoding: str) -> str:
    """The command that makes UTF-8 of a file, as a hint."""
    other = f"{name}.utf8"
    return f"convert it: `iconv -f {encoding} -t UTF-8 {shlex.quote(name)} > {shlex.quote(other)}`"
