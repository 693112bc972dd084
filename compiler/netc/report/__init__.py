"""How diagnostics and verdicts are shown: one list of diagnostics, a form for each reader."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netc.diagnostic import Diagnostic


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    RDJSON = "rdjson"


def render(form: Format, diagnostics: Iterable[Diagnostic], file: str, text: str) -> str:
    """Diagnostics in that form. Each is loaded when it is asked for."""
    from netc.report import github, json, rdjson, sarif
    from netc.report import text as plain

    renderers = {
        Format.TEXT: plain.render,
        Format.JSON: json.render,
        Format.GITHUB: github.render,
        Format.SARIF: sarif.render,
        Format.RDJSON: rdjson.render,
    }
    return renderers[form](diagnostics, file, text)
