"""MANIFEST: every file of a host with its SHA-256, its mode and what a change of it asks for, sorted by path; what
`install` and `build` go by."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from netc.emit.file import File


def manifest(files: Iterable[File]) -> File:
    return File("MANIFEST", "".join(_line(file) for file in sorted(files, key=lambda file: file.path)))


def _line(file: File) -> str:
    takings = ",".join(map(str, file.takings))
    digest = sha256(file.text.encode()).hexdigest()
    return f"{digest}  {file.mode:04o}  {file.path}{'  ' if takings else ''}{takings}\n"
