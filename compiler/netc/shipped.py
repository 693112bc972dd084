"""What netc is made of. Beside modules the wheel carries what, in a checkout, lies where people look for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = {"templates": "templates", "examples": "examples", "mistakes": "docs/mistakes"}


def shipped(name: str) -> Path:
    """A folder of `CHECKOUT`, by its name in the package (pyproject.toml)."""
    package = Path(__file__).parent
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent.parent / CHECKOUT[name]


DECIDING = {
    "pydantic": "version.py",
    "annotated_types": "__init__.py",
    "netaddr": "__init__.py",
    "jinja2": "__init__.py",
    "markupsafe": "__init__.py",
}
"""The libraries that a topology passes on its way to files, and where each says its version: asking for it otherwise
takes longer than all that is done with it. pydantic asks for one pydantic-core alone."""


def compiler() -> Iterator[bytes]:
    """All that decides what a topology compiles to, but the topology: every module and template as it is now, by path,
    and by their versions Python and the libraries."""
    yield sys.version.encode()
    for name, file in DECIDING.items():
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        yield Path(spec.origin).with_name(file).read_bytes()
    for path in _files():
        yield str(path).encode()
        yield path.read_bytes()


def last_change() -> float:
    """When a module or a template was last written, or put where it is: seconds since 1970."""
    return max(path.stat().st_ctime for path in _files())


def _files() -> Iterator[Path]:
    for root in (Path(__file__).parent, shipped("templates")):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(set(folders) - {"__pycache__"})
            yield from (Path(folder, file) for file in sorted(files))
