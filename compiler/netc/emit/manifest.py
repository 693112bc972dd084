"""MANIFEST: every file of a host with its SHA-256 and mode, sorted by path; what `install` and `build` go by."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from netc.emit.file import File


def manifest(files: Iterable[File]) -> File:
    lines = sorted((file.path, sha256(file.text.encode()).hexdigest(), file.mode) for file in files)
    return File("MANIFEST", "".join(f"{digest}  {mode:04o}  {path}\n" for path, digest, mode in lines))
