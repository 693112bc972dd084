"""What users and contributors read has the terms of docs/glossary.md, and none of those that it forbids."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens

import pytest
import typer.main

from netc.cli.command import command

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs/glossary.md"
HEAD = "## Terms that are not used"

Texts = Iterator[tuple[str, str]]
"""Where a text stands, and the text."""


def forbidden() -> dict[str, str]:
    """The glossary's table: each term, and what to write in its place."""
    _, _, table = GLOSSARY.read_text().partition(f"{HEAD}\n")
    rows = re.findall(r"(?m)^\| (`.+) \| (.+) \|$", table)
    return {term: better for terms, better in rows for term in re.findall(r"`([^`]+)`", terms)}


TERMS = forbidden()
WORDS = "|".join(term.replace(" ", r"\s+") for term in sorted(TERMS, key=len, reverse=True))
PATTERN = re.compile(rf"(?<![\w-])(?<!under )({WORDS})(?![\w-])", re.I)


def found(where: str, text: str) -> Iterator[str]:
    """Also where a line ends within a term."""
    lines = text.splitlines()
    for match in PATTERN.finditer(text):
        number, term = text[: match.start()].count("\n"), " ".join(match[0].split())
        yield f"{where}:{number + 1}: {term} (write {TERMS[term.lower()]}): {lines[number].strip()}"


# ---- what users read -----------------------------------------------------------------------------------------


def prose(text: str) -> str:
    """Of a page, without code, targets of links and generated tables. Lines keep their numbers."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    text = text.partition(f"{HEAD}\n")[0]
    text = re.sub(r"(?ms)^ *```.*?^ *```$", blank, text)
    text = re.sub(r"<!-- [^>]+ -->\n(?:\|.*\n)*", blank, text)
    return re.sub(r"`[^`]*`", "`…`", re.sub(r"\]\([^)]*\)", "]", text))


def pages(*paths: Path) -> Texts:
    for path in paths:
        yield str(path.relative_to(ROOT)), prose(path.read_text())


DOCS = tuple(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "diagnostics")


def keys() -> Texts:
    """Descriptions of keys: the schema's, which editors show, as docs/reference/language.md has them."""
    text = (ROOT / "docs/reference/language.md").read_text()
    yield "keys", re.sub(r"`[^`]*`", "`…`", "".join(re.findall(r"<!-- keys of \S+ -->\n((?:\|.*\n)*)", text)))


def help_texts() -> Texts:
    """Of every verb."""
    whole = typer.main.get_command(command([]))
    waiting = [("netc", whole)]
    while waiting:
        name, verb = waiting.pop()
        yield name, verb.get_help(typer.Context(verb, info_name=name))
        waiting += [(f"{name} {inner}", it) for inner, it in getattr(verb, "commands", {}).items()]


def diagnostics() -> Texts:
    """As netc prints them, without the lines of the topology that they show."""
    for path in sorted((ROOT / "tests/diagnostics").glob("*.txt")):
        lines = (line if not re.match(r" *\d* \|", line) else "" for line in path.read_text().splitlines())
        yield path.name, "\n".join(lines)


def said_by(path: Path) -> str:
    """Comments, descriptions of units, and texts in quotes, which scripts print."""
    lines = []
    for line in path.read_text().splitlines():
        comment = re.findall(r"(?:^|\s)#(.*)", line)[:1]
        lines.append(
            " ".join([*comment, *re.findall(r'"([^"]* [^"]*)"', line), *re.findall(r"^Description=(.*)", line)])
        )
    return re.sub(r"\$\{?\w+[^}\s]*\}?|`[^`]*`", "…", "\n".join(lines))


def compiled(wanted: Callable[[str], bool]) -> Texts:
    """Files of hosts in out/, each text once."""
    seen = set[str]()
    for path in sorted((ROOT / "out").rglob("*")):
        if path.is_file() and path.suffix != ".md" and path.name != "MANIFEST" and wanted(str(path)):
            text = said_by(path)
            if text not in seen:
                seen.add(text)
                yield str(path.relative_to(ROOT)), text


def is_shared(path: str) -> bool:
    return "/usr/lib/netc/" in path or path.endswith("/netc-host")


# ---- what contributors read ----------------------------------------------------------------------------------


def explained(source: str) -> str:
    """The docstrings and comments of Python, without code in backticks. Lines keep their numbers."""

    def blank(match: re.Match[str]) -> str:
        return "…" + "\n" * match[0].count("\n")

    of_source = source.split("\n")
    lines = [""] * len(of_source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            docstring = re.sub(r"`[^`]*`", blank, "\n".join(of_source[first:last]))
            lines[first:last] = docstring.split("\n")
    for token in generate_tokens(StringIO(source).readline):
        if token.type == COMMENT:
            lines[token.start[0] - 1] = re.sub(r"`[^`]*`", "…", token.string.lstrip("#"))
    return "\n".join(lines)


def compiler() -> Texts:
    for path in sorted((ROOT / "compiler/netc").rglob("*.py")):
        yield str(path.relative_to(ROOT)), explained(path.read_text())


PLACES: dict[str, Callable[[], Texts]] = {
    "README.md": lambda: pages(ROOT / "README.md"),
    "docs": lambda: pages(*DOCS),
    "examples/README.md": lambda: pages(ROOT / "examples/README.md"),
    "CONTRIBUTING.md": lambda: pages(ROOT / "CONTRIBUTING.md"),
    "CHANGELOG.md": lambda: pages(ROOT / "CHANGELOG.md"),
    "descriptions of keys": keys,
    "netc --help": help_texts,
    "diagnostics": diagnostics,
    "pages of diagnostics": lambda: pages(*sorted((ROOT / "docs/diagnostics").glob("*.md"))),
    "examples": lambda: ((path.name, said_by(path)) for path in sorted((ROOT / "examples").glob("*.toml"))),
    "files of hosts": lambda: compiled(lambda path: not is_shared(path)),
    "netc-host and libraries": lambda: compiled(is_shared),
    "POLICY.md": lambda: pages(*sorted((ROOT / "out").rglob("POLICY.md"))),
    "docstrings and comments of the compiler": compiler,
}


@pytest.mark.parametrize("place", PLACES)
def test_no_term_is_used_that_the_glossary_forbids(place: str) -> None:
    texts = list(PLACES[place]())

    assert texts
    assert [line for where, text in texts for line in found(where, text)] == []


def test_forbidden_terms_are_found_and_code_is_not_read() -> None:
    page = "The host goes\nback.\n```\nno way\n```\nA `way` of [one](way.md), under way.\n\nTold of a far end.\n"
    wrong = [line.split(" (")[0] for line in found("x", prose(page))]

    assert wrong == ["x:1: goes back", "x:8: Told", "x:8: far end"]


def test_forbidden_terms_are_found_in_docstrings_and_comments_and_not_in_code() -> None:
    source = '"""No\nway, `way` and `a\nway`."""\nway = "far end"  # it goes\n# back, `way`\nx = 1\n"""Told of x."""\n'
    wrong = [line.split(" (")[0] for line in found("x", explained(source))]

    assert wrong == ["x:2: way", "x:4: goes back", "x:7: Told"]


# ---- sentences -----------------------------------------------------------------------------------------------

CONTRACTION = re.compile(r"\b\w+n't\b|\b(?:it|that|there|what|who|let)'s (?!own)\b|\b\w+'(?:re|ve|ll)\b", re.I)


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_are_whole_and_end_with_a_stop(page: Path) -> None:
    """No contractions, and no semicolon where a sentence ends."""
    lines = prose(page.read_text()).splitlines()

    assert [line for line in lines if ";" in line or CONTRACTION.search(line)] == []
