"""Claims about diagnostics as programs read them: `--format` of `netc check` and `netc build`."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import EXAMPLES, ROOT, netc
from netc.diagnostic import Diagnostic, Place, Severity
from netc.report import Format, github, rdjson, render, sarif, text
from netc.report import json as own_json

MESH = ROOT / "examples" / "mesh.toml"
TOPO = """\
[hosts.edge]
public = true

[links.edge-home]
between = ["edgee", "home"]
mtu = 1400

[links.other]
mtu = 1500
"""
WRONG = """\
version = 1
network.name = "x"
hosts.edge = { id = 0, wan = "eth0" }
links.a = { kind = "wireguard", between = ["edge", "nobody"] }
"""
DOCUMENTS = (Format.JSON, Format.SARIF, Format.RDJSON)
NO_HOST = Diagnostic(
    "NC0201", ("links", "edge-home", "between", 0), "no host is called `edgee`", "did you mean `edge`?"
)
COLLISION = Diagnostic("NC0203", ("links", "other", "mtu"), "is wrong", also=(("links", "edge-home", "mtu"),))


def many(severity: Severity, count: int) -> list[Diagnostic]:
    return [
        Diagnostic(f"NC{n:04}", ("links", "other", "mtu"), f"is wrong {n}", severity=severity) for n in range(count)
    ]


def annotations(shown: str) -> list[tuple[str, dict[str, str], str]]:
    """Command, properties and message, read as the runner of GitHub reads them."""
    read = []
    for line in shown.splitlines():
        command = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
        assert command
        pairs = (pair.split("=", 1) for pair in command[2].split(","))
        read.append((command[1], {key: unquote(value) for key, value in pairs}, unquote(command[3])))
    return read


def test_json_has_everything_of_a_problem() -> None:
    assert json.loads(own_json.render([COLLISION, NO_HOST], "topo.toml", TOPO)) == {
        "format": 1,
        "file": "topo.toml",
        "errors": 2,
        "warnings": 0,
        "notes": 0,
        "problems": [
            {
                "code": "NC0201",
                "severity": "error",
                "what": "no host is called `edgee`",
                "hint": "did you mean `edge`?",
                "at": {
                    "file": "topo.toml",
                    "line": 5,
                    "column": 12,
                    "end_column": 19,
                    "key": "links.edge-home.between[0]",
                    "path": ["links", "edge-home", "between", 0],
                },
                "also": [],
                "acknowledged": None,
            },
            {
                "code": "NC0203",
                "severity": "error",
                "what": "is wrong",
                "hint": None,
                "at": {
                    "file": "topo.toml",
                    "line": 9,
                    "column": 7,
                    "end_column": 11,
                    "key": "links.other.mtu",
                    "path": ["links", "other", "mtu"],
                },
                "also": [
                    {
                        "file": "topo.toml",
                        "line": 6,
                        "column": 7,
                        "end_column": 11,
                        "key": "links.edge-home.mtu",
                        "path": ["links", "edge-home", "mtu"],
                    }
                ],
                "acknowledged": None,
            },
        ],
    }


def test_every_key_of_the_json_is_documented() -> None:
    told = (ROOT / "docs" / "reference" / "diagnostics.md").read_text()
    document = json.loads(own_json.render([COLLISION], "topo.toml", TOPO))
    keys = {*document, *document["problems"][0], *document["problems"][0]["at"]}

    assert [key for key in sorted(keys) if f"`{key}`" not in told] == []


def test_an_annotation_has_its_place_its_hint_and_the_other_place() -> None:
    assert annotations(github.render([COLLISION, NO_HOST], "topo.toml", TOPO)) == [
        (
            "error",
            {"file": "topo.toml", "line": "5", "col": "12", "endColumn": "19", "title": "NC0201"},
            "no host is called `edgee`\nhint: did you mean `edge`?",
        ),
        (
            "error",
            {"file": "topo.toml", "line": "9", "col": "7", "endColumn": "11", "title": "NC0203"},
            "is wrong\nsee topo.toml:6  links.edge-home.mtu",
        ),
    ]


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("count", [1, 10, 11, 300])
def test_there_are_at_most_ten_annotations_of_a_kind(severity: Severity, count: int) -> None:
    told = annotations(github.render(many(severity, count), "topo.toml", TOPO))
    last = f"{count - 9} more {severity}s of topo.toml: the log of this step has all of them"

    assert len(told) == min(count, 10)
    assert (told[-1][2] == last) == (count > 10)


def test_many_errors_leave_room_for_warnings() -> None:
    told = annotations(github.render([*many(Severity.ERROR, 30), *many(Severity.WARNING, 2)], "topo.toml", TOPO))

    assert [command for command, _, _ in told] == ["error"] * 10 + ["warning"] * 2


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_text_forges_an_annotation(what: str, key: str, file: str) -> None:
    attack = "%\r\n::error file=x::y, z: "
    diagnostic = Diagnostic(
        "NC0203", ("hosts", key), attack + what, hint=what + attack, place=Place(file + attack, 1, 1, 2, "")
    )
    (told,) = annotations(github.render([diagnostic], "topo.toml", ""))

    assert told[1].keys() == {"file", "line", "col", "endColumn", "title"}
    assert len(told[2].split("\n")) == 2


SARIF: dict[str, dict[str, tuple[bool, object]]] = {
    "log": {"$schema": (False, str), "version": (True, "2.1.0"), "runs": (True, ["run"])},
    "run": {
        "tool": (True, {"driver": "driver"}),
        "columnKind": (False, "unicodeCodePoints"),
        "results": (False, ["result"]),
    },
    "driver": {"name": (True, str), "rules": (False, ["rule"])},
    "rule": {"id": (True, str)},
    "result": {
        "ruleId": (False, str),
        "ruleIndex": (False, int),
        "level": (False, {"none", "note", "warning", "error"}),
        "message": (True, "message"),
        "locations": (False, ["location"]),
        "relatedLocations": (False, ["location"]),
        "suppressions": (False, ["suppression"]),
    },
    "suppression": {"kind": (True, {"inSource", "external"}), "justification": (False, str)},
    "message": {"text": (True, str)},
    "location": {
        "id": (False, int),
        "physicalLocation": (False, "physicalLocation"),
        "logicalLocations": (False, ["logicalLocation"]),
        "message": (False, "message"),
    },
    "physicalLocation": {"artifactLocation": (True, {"uri": str}), "region": (False, "region")},
    "region": {"startLine": (False, int), "startColumn": (False, int), "endColumn": (False, int)},
    "logicalLocation": {"fullyQualifiedName": (False, str), "kind": (False, "member")},
}
"""What the schema of SARIF 2.1.0 demands of the objects that netc writes: whether a property has to be there, and what
it is. Like the schema itself, which no package brings along as a file, it lets no other property in."""


def against_sarif(value: Any, wanted: object) -> None:
    match wanted:
        case [item]:
            assert isinstance(value, list)
            for each in value:
                against_sarif(each, item)
        case dict():
            assert value.keys() == wanted.keys()
            for key, inner in wanted.items():
                against_sarif(value[key], inner)
        case set():
            assert value in wanted
        case type():
            assert type(value) is wanted
            assert wanted is not int or value >= 0
        case str() if wanted in SARIF:
            properties = SARIF[wanted]
            assert {key for key, (needed, _) in properties.items() if needed} <= value.keys() <= properties.keys()
            for key in value:
                against_sarif(value[key], properties[key][1])
        case _:
            assert value == wanted


def diagnostics() -> list[Diagnostic]:
    elsewhere = Diagnostic("NC0121", ("hosts", "edge"), "is no key", place=Place("a b:é#.conf", 3, 1, 5, "Jack = 1"))
    nothing = Diagnostic("NC0900", (), "built for Debian 12", severity=Severity.NOTE)
    return [NO_HOST, COLLISION, elsewhere, nothing, *many(Severity.WARNING, 2)]


def test_sarif_matches_its_schema() -> None:
    log = json.loads(sarif.render(diagnostics(), "topo.toml", TOPO))
    (run,) = log["runs"]

    against_sarif(log, "log")
    assert [run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]
    regions = [
        location["physicalLocation"]["region"] for result in run["results"] for location in result.get("locations", ())
    ]
    assert all(1 <= region["startColumn"] <= region["endColumn"] for region in regions)
    # RFC 3986: a colon in the first segment would make a scheme of what stands before it.
    uris = [
        each["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"] for each in r.get("locations", ())
    ]
    assert "a%20b%3A%C3%A9%23.conf" in uris


def test_sarif_has_the_other_place_of_a_collision() -> None:
    (result,) = json.loads(sarif.render([COLLISION], "topo.toml", TOPO))["runs"][0]["results"]

    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 9
    assert [each["physicalLocation"]["region"]["startLine"] for each in result["relatedLocations"]] == [6]


def test_reviewdog_counts_columns_in_bytes() -> None:
    place = Place("topo.toml", line=1, column=3, end=5, source="a𐐀bé")
    (told,) = json.loads(rdjson.render([Diagnostic("NC0203", ("a",), "is wrong", place=place)], "topo.toml", ""))[
        "diagnostics"
    ]

    # As in reviewdog.proto: the column of `b` is 6, since 𐐀 takes four bytes.
    assert told["location"]["range"] == {"start": {"line": 1, "column": 6}, "end": {"line": 1, "column": 9}}


def test_reviewdog_has_its_own_words_for_severities() -> None:
    told = json.loads(rdjson.render(diagnostics(), "topo.toml", TOPO))

    assert told["source"] == {"name": "netc"}
    assert [each["severity"] for each in told["diagnostics"]] == ["ERROR"] * 3 + ["WARNING"] * 2 + ["INFO"]
    assert told["diagnostics"][0]["code"] == {"value": "NC0201"}
    assert all(each["location"]["path"] for each in told["diagnostics"])


@pytest.mark.parametrize("form", Format)
def test_no_format_shows_a_secret(form: Format) -> None:
    secret = "cHJpdmF0ZS1rZXktb2YtdGhlLWV4YW1wbGUtaG9zdHM="
    place = Place("edge.conf", line=3, column=1, end=5, source=f"PrivateKey = {secret}")
    topo = TOPO + f'private_key = "{secret}"\n'
    told = [
        Diagnostic("NC0121", ("hosts",), "is no key", place=place),
        Diagnostic("NC0116", ("links", "other", "private_key"), "x"),
    ]

    assert secret not in render(form, told, "topo.toml", topo)


@pytest.mark.parametrize("form", Format)
def test_formats_do_not_depend_on_the_order_of_diagnostics(form: Format) -> None:
    assert render(form, diagnostics(), "topo.toml", TOPO) == render(form, diagnostics()[::-1], "topo.toml", TOPO)


def test_colours_change_nothing_but_colours() -> None:
    plain = text.render(diagnostics(), "topo.toml", TOPO)
    colour = text.render(diagnostics(), "topo.toml", TOPO, colour=True)

    assert colour != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colour) == plain
    assert "\x1b" not in plain
    assert "\x1b[1;31merror[NC0201]" in colour
    assert "\x1b[1;33mwarning[NC0000]" in colour


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colours_depend_on_the_terminal_and_the_environment(
    environment: dict[str, str], coloured: bool, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(WRONG)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from netc.cli import main; main()", "check", wrong]
    subprocess.run(words, stderr=theirs, env={"PYTHONPATH": ":".join(sys.path), "TERM": "xterm"} | environment)
    os.close(theirs)
    said = os.read(ours, 10_000)
    os.close(ours)

    assert b"error" in said
    assert (b"\x1b[" in said) == coloured


@pytest.mark.parametrize("form", DOCUMENTS)
@pytest.mark.parametrize("verb", ["check", "build"])
def test_stdout_is_one_document(form: Format, verb: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(WRONG)
    rest = ["-o", tmp_path / "out"] if verb == "build" else []
    bad, good = netc(verb, wrong, "--format", form, *rest), netc(verb, MESH, "--format", form, *rest)

    assert (bad.code, good.code) == (1, 0)
    assert bad.err == ""
    assert str(json.loads(bad.out)).count("NC0201") >= 1
    assert "NC0" not in str(json.loads(good.out))
    assert good.err


def test_a_workflow_gets_annotations_and_a_log(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(WRONG)
    ran = netc("check", wrong, "--format", "github")

    assert [command for command, _, _ in annotations(ran.out)] == ["error", "error"]
    assert ran.err == netc("check", wrong).err


@pytest.mark.parametrize("form", DOCUMENTS)
def test_a_topology_that_is_no_text_is_reported_in_every_format(form: Format, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_bytes(b"version = 1 # \xff")
    ran = netc("check", wrong, "--format", form)

    assert ran.code == 1
    assert "NC0002" in str(json.loads(ran.out))


def test_an_unknown_format_is_wrong_use() -> None:
    assert netc("check", MESH, "--format", "xml").code == 2


@pytest.mark.parametrize("form", DOCUMENTS)
def test_examples_are_reported_in_every_format(form: Format) -> None:
    for example in EXAMPLES:
        ran = netc("check", example, "--format", form)
        document = json.loads(ran.out)
        if form is Format.SARIF:
            against_sarif(document, "log")

        assert ran.code == 0
