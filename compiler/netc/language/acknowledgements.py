"""Warnings that an author has seen and means."""

from typing import Annotated

from pydantic import AfterValidator, Field

from netc.language.names import Name, Wrong
from netc.language.tables import Table


class ProblemCode(Name):
    pattern = "NC[0-9]{4}"
    noun = "a code"
    cure = "write it as in messages: `NC1404`"


def _said(text: str) -> str:
    if not text.strip():
        raise Wrong("NC2803", "the reason is empty", "write why the warning is acceptable")
    return text


class Acknowledgement(Table):
    """One warning or note at one place, which netc no longer reports."""

    code: ProblemCode = Field(description="The code of the warning or note, such as NC1404.")
    at: str = Field(description="The key path after `-->` in the message: `hosts.edge.firewall.allow[0].from`.")
    reason: Annotated[str, AfterValidator(_said)] = Field(description="Why it is acceptable, for later readers.")
