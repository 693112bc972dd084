"""The files of netc. Besides modules, the wheel has files that are in other folders of a checkout."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = {"templates": "templates", "examples": "examples", "diagnostics": "docs/diagnostics"}


def shipped(name: str) -> Path:
    """A folder of `CHECKOUT`, by its name in the package (pyproject.toml)."""
    package = Path(__file__).parent
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent.parent / CHECKOUT[name]
