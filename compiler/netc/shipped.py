"""What netc is made of. Beside modules the wheel carries what, in a checkout, lies where people look for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

CHECKOUT = {"templates": "templates", "examples": "examples", "mistakes": "docs/mistakes"}


def shipped(name: str) -> Path:
    """A folder of `CHECKOUT`, by its name in the package (pyproject.toml)."""
    package = Path(__file__).parent
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent.parent / CHECKOUT[name]


DECIDING = ("pydantic", "pydantic-core", "annotated-types", "netaddr", "jinja2", "markupsafe")
"""The libraries that a topology passes on its way to files."""


def compiler() -> Iterator[bytes]:
    """All that decides what a topology compiles to, but the topology: every module and template as it is now, by path,
    and by their versions Python and the libraries."""
    yield sys.version.encode()
    yield from (f"{name} {version(name)}".encode() for name in DECIDING)
    for root in (Path(__file__).parent, shipped("templates")):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(set(folders) - {"__pycache__"})
            for file in sorted(files):
                path = Path(folder, file)
                yield str(path.relative_to(root)).encode()
                yield path.read_bytes()
