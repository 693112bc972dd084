"""Lists of addresses in the form in which they are published: one prefix, address or range `a-b` a line, both families.

Comments begin with `#` or `;`. netc reads a line of the plain form as numbers, because lists have up to 400,000 lines.
netaddr reads the others and finds what is wrong with them.
"""

from __future__ import annotations

import re

from msgspec import Struct
from netaddr import AddrFormatError
from netaddr.strategy.ipv6 import str_to_int

from netc.language.names import Wrong
from netc.language.values import Family, Range, address, interface_address, prefix

SHOWN = 10
"""Bad lines of a file that netc reports one by one."""


class BadLine(Struct, frozen=True):
    """Line and columns count from 1, `end` is exclusive; `source` is the line without its end."""

    line: int
    column: int
    end: int
    source: str
    error: Wrong


class AddressList(Struct, frozen=True, eq=False):
    """Ranges in the order of the file. Of more than SHOWN bad lines the rest is counted in `more`."""

    v4: tuple[Range, ...]
    v6: tuple[Range, ...]
    bad: tuple[BadLine, ...] = ()
    more: int = 0


def read_list(text: str) -> AddressList:
    v4: list[Range] = []
    v6: list[Range] = []
    bad: list[BadLine] = []
    wrong = 0
    octet, sizes = _OCTET, _SIZE
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        try:
            plain, slash, length = line.partition("/")
            one, two, three, four = plain.split(".")
            first = octet[one] << 24 | octet[two] << 16 | octet[three] << 8 | octet[four]
            size = sizes[slash + length]
        except (KeyError, ValueError):
            pass
        else:
            if not first & size - 1:
                v4.append((first, first + size - 1))
                continue
        entry = _COMMENT.sub("", line).strip()
        if not entry:
            continue
        try:
            family, both = _entry(entry)
            (v4 if family == 4 else v6).append(both)
        except Wrong as error:
            wrong += 1
            if wrong <= SHOWN:
                column = line.index(entry) + 1
                bad.append(BadLine(number, column, column + len(entry), line.rstrip("\r"), error))
    return AddressList(tuple(v4), tuple(v6), tuple(bad), max(0, wrong - SHOWN))


_OCTET = {str(number): number for number in range(256)}
_SIZE = {"": 1} | {f"/{length}": 1 << 32 - length for length in range(1, 33)}
_PLAIN_IPV6 = re.compile(r"([0-9a-fA-F:]+)(?:/([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?")
_COMMENT = re.compile(r"[#;].*", re.DOTALL)


def _entry(text: str) -> tuple[Family, Range]:
    found = _PLAIN_IPV6.fullmatch(text)
    if found and ":" in text:
        try:
            first = str_to_int(found[1])
        except AddrFormatError:
            pass
        else:
            size = 1 << 128 - int(found[2] or 128)
            if not first & size - 1 and first >> 32 != 0xFFFF:
                return 6, (first, first + size - 1)
    return _odd(text)


def _odd(text: str) -> tuple[Family, Range]:
    """What has another form, or is wrong."""
    if "-" in text:
        return _range(*map(str.strip, text.split("-", 1)))
    try:
        net = prefix(text) if "/" in text else interface_address(f"{text}/{128 if ':' in text else 32}")
    except Wrong as wrong:
        raise _in_a_list(wrong) from None
    return (4 if net.version == 4 else 6), (net.first, net.last)


def _in_a_list(wrong: Wrong) -> Wrong:
    if "host bits" in wrong.what:
        return Wrong("NC1602", wrong.what, wrong.hint)
    if "is not an IP address" in wrong.what:
        hint = "write one prefix, address or range `a-b` on each line. Comments begin with `#` or `;`"
        return Wrong("NC1601", "this is not a prefix, an address or a range", hint)
    return Wrong("NC1601", wrong.what, wrong.hint)


def _range(first: str, last: str) -> tuple[Family, Range]:
    start, end = _end(first), _end(last)
    if start[0] != end[0]:
        raise Wrong("NC1601", f"`{first}` and `{last}` are of two families", "write two addresses of one family")
    if start[1] > end[1]:
        raise Wrong("NC1601", f"`{first}-{last}` ends before it begins", f"write `{last}-{first}`")
    return start[0], (start[1], end[1])


def _end(text: str) -> tuple[Family, int]:
    try:
        found = address(text)
    except Wrong as wrong:
        raise _in_a_list(wrong) from None
    return (4 if found.version == 4 else 6), int(found)
