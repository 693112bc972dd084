"""`netc fmt` changes how a topology looks and nothing else: values and comments stay, and once is enough."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import EXAMPLES, ROOT, netc
from netc.language.layout import formatted
from topologies import FULL, Table, topologies


def texts() -> Iterator[Any]:
    """Every text of the tests that is TOML."""
    for path in sorted((ROOT / "tests" / "diagnostics").glob("*.toml")):
        try:
            text = path.read_bytes().decode("utf-8-sig")
            tomllib.loads(text)
        except (ValueError, RecursionError):
            continue
        yield pytest.param(text, id=path.stem)


def comments(text: str) -> Counter[str]:
    """Of a text with no `#` in its strings."""
    return Counter(found.rstrip() for found in re.findall(r"#.*", text))


def only_its_look_changed(text: str) -> str:
    made = formatted(text)

    assert tomllib.loads(made) == tomllib.loads(text)
    assert comments(made) == comments(text)
    assert formatted(made) == made
    assert not re.search(r"[ \t]$", made, re.M)
    assert "\n\n\n" not in made
    assert made == made.strip("\n") + "\n" * bool(made)
    return made


@pytest.mark.parametrize("text", tuple(texts()))
def test_fmt_keeps_the_values_of_a_topology(text: str) -> None:
    if '"""' not in text and "'''" not in text:
        only_its_look_changed(text)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_formatted(example: Path, update: bool) -> None:
    if update:
        netc("fmt", example)

    assert netc("fmt", "--check", example).code == 0
    only_its_look_changed(example.read_text())


class Author:
    """Writes a topology as somebody in a hurry might, with comments wherever TOML takes them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.count = draw, 0

    def one_of(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def comment(self) -> str:
        self.count += 1
        return f"{self.one_of('', '  ', '      ')}# {self.count}{self.one_of('', '  ')}"

    def end(self) -> str:
        behind = self.one_of("", "", "", " ") and self.comment()
        between = "".join(self.one_of("", "", "", "\n", " \n\n") or "" for _ in range(2))
        return f"{behind}\n{between}" + (self.comment() + "\n" if self.one_of("", "", "x") else "")

    def table(self, table: Table, header: str) -> str:
        """Pairs first, then tables with headers of their own."""
        text, below = "", ""
        for key in self.draw(st.permutations(list(table))):
            value, name = (
                table[key],
                self.one_of(key, json.dumps(key)) if re.fullmatch(r"[\w-]+", key) else json.dumps(key),
            )
            if isinstance(value, dict) and value and self.one_of("inline", "header") == "header":
                below += self.one_of("", " ") + f"[{header}{name}]{self.end()}" + self.table(value, f"{header}{name}.")
            else:
                equals = self.one_of("=", " = ", "   =")
                text += f"{self.one_of('', ' ')}{name}{equals}{self.value(value)}{self.end()}"
        return text + below

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            inner = (f"{json.dumps(key)}={self.value(inner)}" for key, inner in value.items())
            return "{" + self.one_of(",", " , ").join(inner) + self.one_of("", " ") + "}"
        if isinstance(value, list):
            return (
                self.listed(value)
                if self.one_of("line", "lines") == "lines"
                else f"[{','.join(map(self.alone, value))}]"
            )
        return json.dumps(value)

    def alone(self, value: Any) -> str:
        """In one line, as a list within an inline table has to be before TOML 1.1."""
        return json.dumps(value) if not isinstance(value, dict) else self.value(value)

    def listed(self, values: list[Any]) -> str:
        items = (f"{self.one_of('', ' ')}{self.value(value)}" for value in values)
        lines = "".join(f"{item},{self.one_of('', self.comment())}\n" for item in items)
        return f"[{self.one_of('', self.comment())}\n{lines}{self.one_of('', '  ')}]"


@st.composite
def written_in_a_hurry(draw: st.DrawFn) -> str:
    author = Author(draw)
    return author.end() + author.table(draw(topologies()), "")


EVERYTHING = """\
a = 1979-05-27T07:32:00Z # when
"quoted # key" . b  =  'literal # no comment'
c = [ [ 1,2 ],[3.5e3 , 0x1F, +inf],   [ "x#y" , # here
  # between
  'z' ]
]
d = \"\"\"
  three # of them, and no comment
  \\
  quotes \\\"\"\" \"\"\"   # behind
e = {x={},y={z=[{}, { w = "\\u00e9" }]}}
[[f]]
# of the first
[[f]]
g.h.i = true #last
[f.j."k.l"]
"""


def test_fmt_keeps_every_form_of_toml() -> None:
    made = formatted(EVERYTHING)

    assert tomllib.loads(made) == tomllib.loads(EVERYTHING)
    assert formatted(made) == made
    for comment in ("# when", "# here", "# between", "# behind", "# of the first", "#last"):
        assert made.count(comment) == 1


@given(written_in_a_hurry())
def test_fmt_keeps_the_values_of_untidy_text(text: str) -> None:
    only_its_look_changed(text)


@given(st.data())
def test_fmt_keeps_the_values_of_the_richest_topology(data: st.DataObject) -> None:
    only_its_look_changed(Author(data.draw).table(FULL, ""))


WILD = """\
# What it is.
network.name='x'


version   = 1 # first

[hosts.a]

wan = "eth0"
id=1   # of a
  # Both families.
addresses = ["10.0.0.1/8",
 "2001:db8::1/64"  # the second
  ,

 # none other
]
mtu = 1400
[hosts.a.tunnels . "t"]
peer = {allowed_ips=[ "::/0" ],  public_key = "k"}
kind = '''
wireguard
'''

# What they share.

[[x]]
[[x]]
"""
LAID_OUT = """\
# What it is.
network.name = 'x'

version = 1   # first

[hosts.a]
id = 1  # of a
wan = "eth0"
# Both families.
addresses = [
  "10.0.0.1/8",
  "2001:db8::1/64",  # the second

  # none other
]
mtu = 1400

[hosts.a.tunnels."t"]
kind = '''
wireguard
'''
peer = { public_key = "k", allowed_ips = ["::/0"] }

# What they share.

[[x]]

[[x]]
"""


def test_fmt_writes_this_layout() -> None:
    assert formatted(WILD) == LAID_OUT


def test_fmt_writes_in_place_and_prints_what_it_did(tmp_path: Path) -> None:
    topo, link = tmp_path / "topo.toml", tmp_path / "link.toml"
    topo.write_text("version=1\nnetwork.name='x'\n")
    topo.chmod(0o640)
    link.symlink_to("topo.toml")

    checked = netc("fmt", "--check", link)
    assert (checked.code, checked.out) == (1, f"{link} is not formatted\n")
    assert topo.read_text().startswith("version=1\n")

    ran = netc("fmt", link)
    assert (ran.code, ran.out, ran.err) == (0, f"{link} is now formatted\n", "")
    assert topo.read_text() == "version = 1\nnetwork.name = 'x'\n"
    assert topo.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert netc("fmt", link).out == f"{link} is already formatted\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.toml", "topo.toml"]


def test_fmt_leaves_invalid_toml_unchanged(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_text("version = \n")
    ran = netc("fmt", topo)

    assert ran.code == 1
    assert "error[NC0001]" in ran.err
    assert topo.read_text() == "version = \n"


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# alone", "\ufeffversion=1", "a='''\r\n  x \r\n'''\r\n", "a=[\n\n]", "a=[#x\n]"]
)
def test_fmt_keeps_the_values_of_unusual_texts(text: str) -> None:
    made = formatted(text)

    assert tomllib.loads(made) == tomllib.loads(text.removeprefix("\ufeff"))
    assert formatted(made) == made
