"""Claims about diagnostics as people read them in a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.diagnostic import Diagnostic, Place, Severity
from netc.report.text import WIDEST, render

TOPO = """\
[hosts.edge]
public = true

[links.edge-home]
between = ["edgee", "home"]
mtu = 1400

[links.other]
mtu = 1500
"""


def error(*where: str | int, code: str = "NC0203", what: str = "is wrong", **more: object) -> Diagnostic:
    return Diagnostic(code, where, what, **more)  # type: ignore[arg-type]


def caret_text(shown: str) -> str:
    """What stands above the carets."""
    source, caret = next(
        (above, line)
        for above, line in zip(shown.splitlines(), shown.splitlines()[1:], strict=False)
        if re.fullmatch(r" *\| +\^+", line)
    )
    return source[caret.index("^") : caret.rindex("^") + 1]


def test_a_problem_shows_its_place_its_line_and_its_hint() -> None:
    diagnostic = error(
        "links", "edge-home", "between", 0, what="no host is called `edgee`", hint="did you mean `edge`?"
    )

    assert render([diagnostic], "topo.toml", TOPO) == (
        "error[NC0203]: no host is called `edgee`\n"
        " --> topo.toml:5:12  links.edge-home.between[0]\n"
        "  |\n"
        '5 | between = ["edgee", "home"]\n'
        "  |            ^^^^^^^\n"
        "  = hint: did you mean `edge`?\n"
        "\n"
        "1 error\n"
    )


def test_a_collision_shows_every_place_under_one_margin() -> None:
    diagnostic = error("links", "other", "mtu", also=(("links", "edge-home", "mtu"), ("hosts", "edge")))

    assert render([diagnostic], "topo.toml", "\n" + TOPO) == (
        "error[NC0203]: is wrong\n"
        "  --> topo.toml:10:7  links.other.mtu\n"
        "   |\n"
        "10 | mtu = 1500\n"
        "   |       ^^^^\n"
        "  ::: topo.toml:7:7  links.edge-home.mtu\n"
        "   |\n"
        " 7 | mtu = 1400\n"
        "   |       ^^^^\n"
        "  ::: topo.toml:2:2  hosts.edge\n"
        "   |\n"
        " 2 | [hosts.edge]\n"
        "   |  ^^^^^^^^^^\n"
        "\n"
        "1 error\n"
    )


def test_a_problem_with_a_key_shows_the_key() -> None:
    assert caret_text(render([error("links", "other", "mtu", on_key=True)], "f", TOPO)) == "mtu"


def test_a_place_in_another_file_is_shown_under_the_key_path_that_led_there() -> None:
    place = Place("edge.conf", line=3, column=1, end=5, source="Jack = 1")
    shown = render([error("hosts", "edge", place=place)], "topo.toml", TOPO)

    assert " --> edge.conf:3:1  hosts.edge\n" in shown
    assert caret_text(shown) == "Jack"


def test_a_note_without_a_key_has_no_place() -> None:
    note = Diagnostic("NC0900", (), "built for Debian 12", severity=Severity.NOTE)

    assert render([note], "topo.toml", TOPO) == "note[NC0900]: built for Debian 12\n\n1 note\n"


def test_an_error_about_the_whole_file_points_at_its_beginning() -> None:
    assert "\n --> topo.toml:1:1\n" in render([error()], "topo.toml", TOPO)


def test_a_blank_line_is_not_shown() -> None:
    assert render([error()], "topo.toml", "") == "error[NC0203]: is wrong\n --> topo.toml:1:1\n\n1 error\n"


def test_errors_come_first_then_places_then_codes() -> None:
    note = Severity.NOTE
    elsewhere = Place("edge.conf", line=1, column=1, end=2, source="x")
    diagnostics = [
        error(code="N3", severity=note),
        error("hosts", "edge", code="N2", severity=note),
        error("links", "other", "mtu", code="E4"),
        error("links", "edge-home", "between", 1, code="E3"),
        error("links", "edge-home", "between", 0, code="E2"),
        error("links", "edge-home", "between", 0, code="E1"),
        error("hosts", code="E5", place=elsewhere),
    ]
    shown = render(diagnostics, "topo.toml", TOPO)

    assert re.findall(r"\[(..)\]:", shown) == ["E1", "E2", "E3", "E4", "E5", "N2", "N3"]
    assert shown.endswith("\n\n5 errors, 2 notes\n")


@pytest.mark.parametrize(
    ("errors", "notes", "summary"),
    [(1, 0, "1 error"), (2, 1, "2 errors, 1 note"), (0, 2, "2 notes"), (1, 1, "1 error, 1 note")],
)
def test_the_last_line_counts_the_diagnostics(errors: int, notes: int, summary: str) -> None:
    diagnostics = [error()] * errors + [error(severity=Severity.NOTE)] * notes

    assert render(diagnostics, "f", TOPO).splitlines()[-1] == summary


def test_at_most_1000_problems_are_shown() -> None:
    shown = render([error()] * 1001, "topo.toml", TOPO)

    assert shown.count("error[NC0203]") == 1000
    assert shown.endswith("\n1001 errors (the first 1000 are shown)\n")


@pytest.mark.parametrize("end", ["", "x" * 5_000_000])
def test_a_line_of_megabytes_is_cut_as_any_other(end: str) -> None:
    place = Place("f", line=1, column=5_000_001, end=5_000_004, source="<" * 5_000_000 + "bad" + end)
    shown = render([error(place=place)], "f", "")

    assert caret_text(shown) == "bad"
    assert max(map(len, shown.splitlines())) <= WIDEST + len("1 | ")


def test_no_diagnostics_print_nothing() -> None:
    assert render([], "topo.toml", TOPO) == ""


@pytest.mark.parametrize("attack", ["\x1b[2J", "\r", "\x9b31m", "\u202e", "\u200b", "\x07", "\u2028", "\x7f"])
def test_control_characters_are_escaped(attack: str) -> None:
    text = f'x = "{attack}" # {attack}\n"k{attack}" = 1\n'
    place = Place(f"f{attack}", line=1, column=6, end=6 + len(attack), source=f"x = '{attack}'")
    diagnostics = [
        error("x", what=f"is {attack}", hint=f"not {attack}"),
        error(f"k{attack}"),
        error("x", place=place),
    ]
    shown = render(diagnostics, f"topo{attack}.toml", text)

    assert attack not in shown
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") for c in shown if c != "\n")
    assert ascii(attack)[1:-1] in caret_text(render([diagnostics[2]], "f", text))


def test_a_line_break_in_a_value_cannot_forge_a_line_of_ours() -> None:
    shown = render([error("x", what="`a\nerror[NC0000]: run this`")], "f", "x = 1\n")

    assert "`a\\nerror[NC0000]: run this`" in shown


@pytest.mark.parametrize("indent", ["\t", "a\tb = 1\t", "日本 = ", "e\u0301 = ", "\x1b\t"])
def test_carets_stand_under_the_text_of_their_place(indent: str) -> None:
    place = Place("f", line=1, column=len(indent) + 1, end=len(indent) + 4, source=f"{indent}bad # c")
    _, _, _, source, caret, *_ = render([error(place=place)], "f", "").splitlines()
    columns = "".join(c * 2 if unicodedata.east_asian_width(c) == "W" else c for c in source if c != "\u0301")

    assert "\t" not in source
    assert columns[caret.index("^") : caret.rindex("^") + 1] == "bad"


def test_a_caret_may_stand_after_the_end_of_a_line() -> None:
    place = Place("f", line=1, column=6, end=6, source="x = [")
    _, _, _, source, caret, *_ = render([error(place=place)], "f", "").splitlines()

    assert (source, caret) == ("1 | x = [", "  |      ^")


@pytest.mark.parametrize("before", [0, 100, 155, 400])
@pytest.mark.parametrize("after", [0, 10, 155, 400])
def test_a_long_line_is_cut_around_its_caret(before: int, after: int) -> None:
    source = "<" * before + "bad" + ">" * after
    place = Place("f", line=1, column=before + 1, end=before + 4, source=source)
    shown = render([error(place=place)], "f", "")
    line = shown.splitlines()[3].removeprefix("1 | ")

    assert caret_text(shown) == "bad"
    assert line == source if len(source) <= WIDEST else WIDEST - 2 <= len(line) <= WIDEST
    assert line.startswith("…") == (line.strip("…")[0] != source[0] or line.count("<") < before)
    assert line.endswith("…") == (line.count(">") < after)


def test_a_mark_wider_than_the_screen_shows_its_beginning() -> None:
    source = "<" * 50 + "b" + "a" * 500
    place = Place("f", line=1, column=51, end=len(source) + 1, source=source)
    shown = caret_text(render([error(place=place)], "f", ""))

    assert shown.startswith("baaa")
    assert len(shown) == WIDEST - 2


@given(st.text(max_size=400), st.integers(1, 410), st.integers(0, 410))
def test_any_line_can_be_shown(source: str, column: int, length: int) -> None:
    source = source.replace("\n", "")
    place = Place("f", line=1, column=column, end=column + length, source=source)
    shown = render([error(place=place)], "f", "")

    assert len(shown.split("\n")) == (8 if source.strip() else 5)


def test_tree_sitter_is_loaded_only_to_report() -> None:
    script = "import sys, netc.report.text; sys.exit('tree_sitter' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
