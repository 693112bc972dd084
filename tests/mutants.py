"""Topologies that nobody would write: examples that were spoiled as texts, as values, or by somebody who means harm."""

from __future__ import annotations

import copy
import random
import tomllib
from collections.abc import Callable
from typing import Any

import tomlkit

from examples import EXAMPLES

SHELL = (
    *(
        "$(id)",
        "`id`",
        "; reboot",
        "| sh",
        "&& reboot",
        "$IFS",
        "${HOME}",
        "a'b",
        'a"b',
        "a\\",
        "a\nreboot",
        "a\rb",
        "~",
        "*",
    ),
    *(
        "-rf",
        "--flag",
        "a b",
        "\t",
        "!x",
        "#x",
        "<(id)",
        ">x",
        "\x00",
        "\x1b[2J",
        "\u202e",
        "é",
        "\U0001f600",
        "\u2028",
    ),
)
NFT = (
    *(
        "} flush ruleset",
        "drop; accept",
        "a # b",
        "@set",
        "{ 1 }",
        "0x7f",
        "accept",
        "inet",
        "1-65536/tcp",
        "::ffff:1.2.3.4/96",
    ),
    *(
        "%n",
        "%h",
        "%%",
        "${x}",
        "\\x41",
        "[Service]",
        "ExecStart=/bin/sh",
        "protocol bgp {}",
        "1.2.3.4/0",
        "0/0",
        "::/129",
    ),
)
PATHS = (
    *(
        "..",
        "../x",
        "/etc/passwd",
        "./azire-se.conf",
        "a/../azire-se.conf",
        "azire-se.conf\x00",
        "/dev/zero",
        "/dev/stdin",
    ),
    *(
        "/proc/self/environ",
        "link-out",
        "link-loop",
        "link-folder/passwd",
        ".",
        "",
        "~/.ssh/id_ed25519",
        "folder",
        "pipe",
    ),
)
VALUES: tuple[Any, ...] = (
    *SHELL,
    *NFT,
    *PATHS,
    *(
        0,
        -1,
        1,
        4095,
        65536,
        2**32,
        2**63,
        10**40,
        1.5,
        float("nan"),
        float("inf"),
        True,
        False,
        [],
        {},
        [[]],
        [{}],
        [1, "a"],
    ),
    *(
        {"": 1},
        {"a": {"b": {"c": 1}}},
        ["a"] * 300,
        "x" * 70_000,
        "all",
        "internet",
        "private",
        "bogons",
        "lo",
        "netc",
        "edge",
    ),
    *(
        "10.0.0.0/8",
        "::/0",
        "0.0.0.0/0",
        "fe80::1/64",
        "255.255.255.255/32",
        "1/tcp",
        "1-65535/udp",
        "5s",
        "10m",
        "x.service",
    ),
)
TOKENS = (
    *(
        '"',
        "'",
        '"""',
        "'''",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "#",
        "\\",
        "\\u",
        "\n",
        "\r\n",
        "\r",
        "\x00",
        "\ufeff",
    ),
    *(
        "1e9",
        "0x",
        "nan",
        "1979-05-27",
        "true",
        "[hosts.a]",
        "[[acknowledge]]",
        "id = 1",
        " = ",
        "\x1b",
        "\u2028",
        "\ud7ff",
        "é",
    ),
)

Draw = random.Random
Where = tuple[str | int, ...]


def mutant(draw: Draw) -> bytes:
    """A file that may be anything; most are close to what somebody would write."""
    how = draw.choice((_values, _values, _values, _text, _text, _bytes, _lines))
    return how(draw)


def paths(value: Any, path: Where = ()) -> list[Where]:
    """To every value in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, deeper in inner for each in ((*path, key), *paths(deeper, (*path, key)))]


def at(data: Any, path: Where) -> Any:
    for key in path:
        data = data[key]
    return data


def _example(draw: Draw) -> str:
    return draw.choice(EXAMPLES).read_text()


def _values(draw: Draw) -> bytes:
    data = tomllib.loads(_example(draw))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        here = paths(data)
        if not here:
            break
        *above, key = draw.choice(here)
        draw.choice(CHANGES)(draw, data, at(data, tuple(above)), key)
    return _dumped(data)


def _dumped(data: dict[str, Any]) -> bytes:
    try:
        return tomlkit.dumps(data).encode()
    except (ValueError, TypeError, UnicodeEncodeError, AttributeError):
        return b""  # some values have no form in TOML


def _replace(draw: Draw, _: Any, table: Any, key: Any) -> None:
    table[key] = copy.deepcopy(draw.choice(VALUES))


def _suffix(draw: Draw, _: Any, table: Any, key: Any) -> None:
    """Most of it stays right."""
    odd = draw.choice(SHELL + NFT)
    table[key] = f"{table[key]}{odd}" if draw.random() < 0.5 else f"{odd}{table[key]}"


def _remove(_: Draw, __: Any, table: Any, key: Any) -> None:
    del table[key]


def _rename(draw: Draw, data: Any, table: Any, key: Any) -> None:
    if isinstance(table, dict):
        names = [str(path[-1]) for path in paths(data)]
        table[draw.choice([*SHELL, *PATHS, *names])] = table.pop(key)


def _copied(draw: Draw, data: Any, table: Any, key: Any) -> None:
    table[key] = copy.deepcopy(at(data, draw.choice(paths(data))))


def _number(draw: Draw, _: Any, table: Any, key: Any) -> None:
    if type(table[key]) is int:
        table[key] += draw.choice((-1, 1, 255, 4096, -table[key], 65535))


CHANGES: tuple[Callable[[Draw, Any, Any, Any], None], ...] = (
    _replace,
    _replace,
    _suffix,
    _remove,
    _rename,
    _copied,
    _number,
)


def _text(draw: Draw) -> bytes:
    text = _example(draw)
    for _ in range(draw.choice((1, 2, 5))):
        where, length = draw.randrange(len(text) + 1), draw.choice((0, 1, 1, 5, 80))
        text = text[:where] + draw.choice(TOKENS) * draw.choice((1, 1, 3)) + text[where + length :]
    return text.encode(errors="surrogatepass")


def _bytes(draw: Draw) -> bytes:
    data = bytearray(_example(draw).encode())
    for _ in range(draw.choice((1, 3, 20))):
        where = draw.randrange(len(data))
        data[where : where + draw.choice((0, 1, 2))] = draw.randbytes(draw.choice((1, 1, 4)))
    return draw.choice((b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00")) + bytes(data)


def _lines(draw: Draw) -> bytes:
    """Lines of several examples, some twice, some gone."""
    lines = _example(draw).splitlines() + (_example(draw).splitlines() if draw.random() < 0.3 else [])
    for _ in range(draw.choice((1, 3, 10))):
        match draw.randrange(4):
            case 0 if len(lines) > 1:
                del lines[draw.randrange(len(lines))]
            case 1:
                lines.insert(draw.randrange(len(lines)), draw.choice(lines))
            case 2:
                start = draw.randrange(len(lines))
                lines[start : start + 5] = reversed(lines[start : start + 5])
            case _:
                lines = lines[: draw.randrange(len(lines)) + 1]
    return draw.choice(("\n", "\n", "\r\n", "\r")).join(lines).encode()
