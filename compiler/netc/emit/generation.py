"""The name of what a host has: 16 hexadecimal digits, which follow from its MANIFEST and so from every file."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from netc.emit.file import File


def generation(files: Iterable[File]) -> str:
    """As `install` computes it on the host."""
    manifest = next(file.text for file in files if file.path == "MANIFEST")
    return sha256(manifest.encode()).hexdigest()[:16]
