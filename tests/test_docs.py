"""The documents say what the language is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from netc.language.topology import Topology

ROOT = Path(__file__).parents[1]


def tables(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A table and every table in it."""
    yield model
    for field in model.model_fields.values():
        for inner in inside(field.annotation):
            yield from tables(inner)


def inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from inside(argument)


KEYS = sorted({field.alias or name for table in tables(Topology) for name, field in table.model_fields.items()})


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_language_is_told_of(key: str) -> None:
    text = (ROOT / "docs/language.md").read_text()

    assert re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`", text)
