"""Claims about texts that are no TOML: every mistake is found that does not hide behind another."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import EXAMPLES
from netc.diagnostic import Diagnostic
from netc.language.brackets import open_at
from netc.language.syntax import MOST, loads

STATEMENT = re.compile(r"(\w+) = (\"[^\"]*\"|\d+|\[[^\[\]]*\])")
SPOILS = {
    "no =": r"\1 \2",
    "a colon": r"\1: \2",
    "no value": r"\1 =",
    "two values": r"\1 = 1 2",
    "an open string": r'\1 = "x',
    "an open literal string": r"\1 = 'x",
    "an open list": r'\1 = ["x",',
    "a bare word": r"\1 = x",
    "a stray brace": r"\1 = \2 }",
    "an open table": r"\1 = { x = 1,",
    "an escape": r'\1 = "\\q"',
    "NUL": "\\1 = \x00",
}


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    read = loads(text, "topo.toml")
    assert isinstance(read, tuple)
    return read


def lines(found: tuple[Diagnostic, ...]) -> list[int]:
    return [diagnostic.place.line for diagnostic in found if diagnostic.place]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_valid_toml_is_read_as_by_tomllib(example: Path) -> None:
    text = example.read_text()

    assert loads(text, "x") == tomllib.loads(text)


@given(st.data())
def test_syntax_errors_in_several_places_are_all_reported(data: st.DataObject) -> None:
    """Each in its own line; a list that is not closed is seen in the line behind, and a stray brace closes a table."""
    text = data.draw(st.sampled_from(EXAMPLES)).read_text().split("\n")
    good = [number for number, line in enumerate(text, 1) if STATEMENT.fullmatch(line)]
    spoilt = sorted(data.draw(st.lists(st.sampled_from(good), unique=True, min_size=1, max_size=8)))
    closed = {name: how for name, how in SPOILS.items() if name != "an open list"}
    for number in spoilt:
        how = data.draw(st.sampled_from(sorted(closed)))
        if how == "an open table":
            closed.pop("a stray brace", None)
        text[number - 1] = STATEMENT.sub(closed[how], text[number - 1])

    assert lines(diagnostics("\n".join(text))) == spoilt


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=repr)
def test_a_syntax_error_hides_no_other_below_it(spoil: str, newline: str) -> None:
    text = newline.join([STATEMENT.sub(SPOILS[spoil], "a = 1"), "b = 2", "c: 3", ""])
    found = diagnostics(text)

    assert len(found) == 2
    assert lines(found) == ([2, 3] if spoil == "an open list" else [1, 3])


def test_an_open_multiline_string_hides_errors_below_it() -> None:
    assert lines(diagnostics('a: 1\nb = """\nc: 3\n')) == [1, 3]


def test_keys_below_a_broken_header_do_not_belong_to_the_previous_table() -> None:
    assert lines(diagnostics("[hosts.a]\nid = 1\n[hosts b]\nid = 2\n[hosts.a]\nid = 3\n")) == [3, 5]


def test_the_number_of_syntax_errors_is_limited() -> None:
    assert len(diagnostics("a: 1\n" * 1000)) == MOST


@pytest.mark.parametrize(
    "text",
    [
        'a = """' + "x" * 10_000_000,
        "a = [" + '"x", ' * 1_000_000,
        "a: 1\n" * 200_000,
        'a = "' + '\\"' * 2_000_000,
        "'" * 3_000_000,
        '"""' + "\\" * 3_000_000,
        "a = '''" + "''x" * 2_000_000,
    ],
    ids=lambda text: text[:8],
)
def test_long_syntax_errors_are_reported_in_time(text: str) -> None:
    before = time.process_time()
    diagnostics(text)

    assert time.process_time() - before < 60


@pytest.mark.parametrize(
    ("text", "brackets", "in_string"),
    [
        ("a = [1, {", "[{", False),
        ('a = ["]", # ]\n', "[", False),
        ("a = ['''\n]''', [1], ", "[", False),
        ('a = "\\"[', "", True),
        ('a = """x""""\nb = [', "[", False),
        ("a = ''\nb = [", "[", False),
        ('a = ""\nb = {', "{", False),
        ("a = '''x''", "", True),
    ],
)
def test_open_at_finds_open_brackets_and_strings(text: str, brackets: str, in_string: bool) -> None:
    found = open_at(text, len(text))

    assert "".join(text[at] for at in found.brackets) == brackets
    assert (found.string is not None) == in_string
