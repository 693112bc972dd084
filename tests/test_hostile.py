"""Claims about input that means harm: whatever a topology holds, it is compiled or its mistakes are told."""

from __future__ import annotations

import copy
import datetime
import tomllib
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from examples import EXAMPLES
from netc.diagnostic import Diagnostic, InvalidTopology
from netc.language.names import Wrong
from netc.pipeline import compile_hosts, understand
from netc.report.text import render

HEAD = 'version = 1\nnetwork.name = "x"\n[hosts.a]\nid = 1\n'
ODD = [
    *(
        "",
        '"',
        "$(id)",
        "`id`",
        "x y",
        "\x00",
        "\n",
        "x" * 400,
        "é",
        "\u202e",
        "-",
        "..",
        "../x",
        "/etc/passwd",
        "%s",
        "{}",
    ),
    *(0, -1, 1, 1279, 65535, 2**63, 10**30, 1.5, float("inf"), True, False, [], [[]], [1], {}, {"a": 1}, [{}]),
    *("all", "lo", "fe80::1%eth0", "10.0.0.1", "10.0.0.1/24", "255.255.255.255/32", "0.0.0.0/0", "::/0", "127.0.0.1/8"),
    *("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "::ffff:1.2.3.4/128", "[::1]:99", "a:b:c", "1/tcp", "99999/udp"),
    *("wireguard", "gre", "ip6gre", "ipip", "sit", "6to4", "vxlan", "shared", "per-peer", "azire-se.conf", "x.service"),
    *(datetime.date(2020, 1, 1), datetime.time(1, 1), datetime.datetime(2020, 1, 1)),
]
Path = tuple[str | int, ...]


def read_file(name: str) -> str:
    if name != "azire-se.conf":
        raise Wrong("NC0003", f"cannot read `{name}`")
    return (EXAMPLES[0].parent / name).read_text()


def outcome(text: str) -> tuple[Diagnostic, ...]:
    """Compiles it, or renders what is wrong with it; nothing else may happen."""
    try:
        checked = understand(text, "topo.toml", read_file)
    except InvalidTopology as mistakes:
        render(mistakes.diagnostics, "topo.toml", text)
        return mistakes.diagnostics
    for _ in compile_hosts(checked.network):
        pass
    return checked.notes


def paths(value: Any, path: Path = ()) -> list[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, deeper in inner for each in ((*path, key), *paths(deeper, (*path, key)))]


def at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """An example in which some values are others, missing, or called otherwise."""
    data = tomllib.loads(draw(st.sampled_from(EXAMPLES)).read_text())
    for _ in range(draw(st.integers(1, 4))):
        *above, key = draw(st.sampled_from(paths(data)))
        table = at(data, tuple(above))
        match draw(st.sampled_from(["replace", "replace", "remove", "rename", "copy"])):
            case "replace":
                table[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "rename" if isinstance(table, dict):
                table[draw(st.sampled_from([each for each in ODD if isinstance(each, str)]))] = table.pop(key)
            case "copy":
                table[key] = copy.deepcopy(at(data, draw(st.sampled_from(paths(data)))))
            case _:
                del table[key]
        if not paths(data):
            break
    return tomlkit.dumps(data)


@given(spoiled())
def test_a_spoiled_example_is_compiled_or_refused(text: str) -> None:
    outcome(text)


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    assert outcome(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "\ufeff",
        "version = " + "9" * 5000,
        HEAD + "mtu = 0x" + "f" * 9000,
        HEAD + "x = " + "[" * 5000 + "]" * 5000,
        HEAD + "x = " + "{x=" * 300 + "1" + "}" * 300,
        HEAD + "wan" + ".a" * 3000 + " = 1",
        HEAD + "[hosts.a" + ".a" * 3000 + "]",
        HEAD + "k" * 100_000 + " = 1",
        HEAD + f'addresses = "{"x" * 100_000}"',
        HEAD + "".join(f"x{n} = 1\n" for n in range(500)),
        HEAD.replace("\n", "\r"),
        'version = 1\nnetwork = []\nhosts = []\nlinks = "x"\nmeshes = 5',
        '["[key]"]\n"" = { "" = [{ "" = "" }] }',
    ],
    ids=lambda text: repr(text[-20:]),
)
def test_extreme_texts_are_refused(text: str) -> None:
    assert outcome(text)


def test_the_report_on_an_extreme_text_stays_readable() -> None:
    text = HEAD + "k" * 100_000 + " = 1"
    shown = render(outcome(text), "topo.toml", text)

    assert max(map(len, shown.splitlines())) < 1000
