"""Every mistake has a page, and a page's example is what it says: `-` makes this mistake, `+` makes none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from examples import ROOT, netc
from netc.diagnostic import Diagnostic, InvalidTopology, Severity
from netc.language.names import Wrong
from netc.pipeline import understand
from test_diagnostics import codes

PAGES = ROOT / "docs" / "diagnostics"
CODES = tuple(sorted(path.stem for path in PAGES.glob("*.md")))
LONGEST, WIDEST = 32, 160
HEAD = 'version = 1\nnetwork.name = "example"\n'

NO_EXAMPLE = {
    "NC0002": "a page is UTF-8",
    "NC0125": "it is about two versions of netc",
    "NC1401": "other checks refuse what it would find",
    "NC2601": "it is about two topologies",
    "NC2602": "it is about two topologies",
    "NC2603": "it is about two topologies",
}
BESIDES = {"NC2802": {"NC1402"}}
"""Told too: the error that is acknowledged."""


IDLE = "NC2901"
"""The smallest example of a tunnel has nothing that goes by it."""


@dataclass(frozen=True)
class Example:
    lines: tuple[str, ...]
    beside: str
    files: dict[str, str]

    def topology(self, sign: str) -> str:
        own = (line[1:] for line in self.lines if line[:1] in ("", " ", sign))
        return HEAD + self.beside + "\n".join(own) + "\n"


@cache
def example(code: str) -> Example | None:
    text = (PAGES / f"{code}.md").read_text()
    found = re.search(r"^```diff(?: beside=(\w+))?\n(.*?)^```$", text, re.M | re.S)
    if not found:
        return None
    files = dict(re.findall(r"^`(\S+)`:\n\n```text\n(.*?)^```$", text, re.M | re.S))
    beside = (PAGES / "beside" / f"{found[1]}.toml").read_text() + "\n" if found[1] else ""
    return Example(tuple(found[2].splitlines()), beside, files)


def told(code: str, sign: str) -> tuple[Diagnostic, ...]:
    shown = example(code)
    assert shown is not None

    def read_file(name: str) -> str:
        if name.startswith("/"):
            raise Wrong("NC0003", f"`{name}` is not in the topology's folder")
        return shown.files[name]

    try:
        diagnostics = understand(shown.topology(sign), "topo.toml", read_file).notes
    except InvalidTopology as mistakes:
        diagnostics = mistakes.diagnostics
    left = (diagnostic for diagnostic in diagnostics if not diagnostic.acknowledged)
    return tuple(diagnostic for diagnostic in left if code == IDLE or diagnostic.code != IDLE)


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert set(CODES) == codes()
    assert {code for code in CODES if example(code) is None} == NO_EXAMPLE.keys()


@pytest.mark.parametrize("code", [code for code in CODES if code not in NO_EXAMPLE])
def test_the_wrong_example_makes_this_mistake_and_no_other(code: str) -> None:
    assert {diagnostic.code for diagnostic in told(code, "-")} == {code} | BESIDES.get(code, set())


@pytest.mark.parametrize("code", [code for code in CODES if code not in NO_EXAMPLE])
def test_the_right_example_makes_none(code: str) -> None:
    assert [diagnostic.what for diagnostic in told(code, "+")] == []


@pytest.mark.parametrize("code", CODES)
def test_a_page_fits_a_screen_and_says_why(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text()
    head, blank, prose, *_ = text.splitlines()

    assert re.fullmatch(rf"# {code}: \S.*[^.]", head)
    assert blank == ""
    assert re.match(r"[A-Z0-9`]", prose)
    assert len(text.splitlines()) <= LONGEST
    assert max(map(len, text.splitlines())) <= WIDEST


@pytest.mark.parametrize("code", [code for code in CODES if code not in NO_EXAMPLE])
def test_a_page_says_whether_it_is_an_error(code: str) -> None:
    (severity,) = {diagnostic.severity for diagnostic in told(code, "-") if diagnostic.code == code}
    title = (PAGES / f"{code}.md").read_text().splitlines()[0]

    assert re.findall(r"\(a (note|warning)\)$", title) == [severity] * (severity != Severity.ERROR)


def test_explain_prints_a_page_and_what_lies_beside_its_example() -> None:
    ran = netc("explain", "nc0405")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("NC0405: A link whose ends share no subnet\n")
    assert "Beside it: two hosts" in ran.out
    assert '+ends.b.address = "10.77.0.1/31"' in ran.out
    assert "```" not in ran.out


@pytest.mark.parametrize(("what", "said"), [("NC0499", "there are NC0401"), ("NC9999", "no diagnostic has the code")])
def test_a_code_that_is_none_is_wrong_use(what: str, said: str) -> None:
    ran = netc("explain", what)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_every_context_is_used() -> None:
    used = set(re.findall(r"beside=(\w+)", "".join(path.read_text() for path in PAGES.glob("*.md"))))

    assert {path.stem for path in Path(PAGES / "beside").iterdir()} == used


def test_a_code_of_other_than_four_digits_is_told_so() -> None:
    for code, hint in (
        ("NC703", "did you mean `NC0703`?"),
        ("nc70", "did you mean `NC0070`?"),
        ("NC07031", "write it as in messages: `NC0703`"),
    ):
        ran = netc("explain", code)
        assert ran.code == 2
        assert ran.err == f"netc: {code} is not a code of a diagnostic: codes have four digits\n   = hint: {hint}\n"


# ---- communities of bird.conf --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "bgp_large_community.add(FROM_PEER);",
            "FROM_PEER is the large community (4242422547, 1, 2): the route came from a peer or a route server.",
        ),
        (
            "if GRACEFUL_SHUTDOWN ~ bgp_community then bgp_local_pref = 0;",
            "GRACEFUL_SHUTDOWN is the community (65535, 0): the route is about to be withdrawn (RFC 8326).",
        ),
        (
            "bgp_large_community.delete(OWN_COMMUNITIES);",
            "OWN_COMMUNITIES is the set [ (4242422547, *, *) ]: every large community of our AS.",
        ),
    ],
)
def test_a_line_with_a_community_says_what_it_means(written: str, sentence: str) -> None:
    path = ROOT / "out/dn42/hkg/files/etc/netc/bird.conf"
    number = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if line.strip() == written)
    ran = netc("explain", f"{path}:{number}", ROOT / "examples/dn42.toml")

    assert ran.code == 0
    assert ran.out.splitlines()[:3] == [f"  {written}", "", f"  {sentence}"]


def test_no_filter_has_a_community_without_a_name() -> None:
    lines = [line for path in (ROOT / "out").rglob("bird.conf") for line in path.read_text().splitlines()]

    assert [line for line in lines if re.search(r"\(\d+, *[\d*]", line) and not line.startswith("define ")] == []
