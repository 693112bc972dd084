"""`netc new`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netc.cli.printer import say
from netc.cli.topology import wrong_use

START = "start"


def new(
    topo: Annotated[Path, typer.Argument(metavar="[TOPO]", help="The file to write.")] = Path("topo.toml"),
    example: Annotated[str, typer.Option(metavar="NAME", help="Copy this example.")] = START,
) -> None:
    """Write a topology to start from, and the files that it reads. Never overwrite a file."""
    from netc.language.nearest import did_you_mean
    from netc.shipped import shipped

    examples = {path.stem: path for path in sorted(shipped("examples").glob("*.toml"))}
    if example not in examples:
        hint = did_you_mean(example, list(examples)) or f"there are {', '.join(examples)}"
        raise wrong_use(f"no example is called {example!r}", hint)
    text = examples[example].read_text(encoding="utf-8")
    beside = [path for path in shipped("examples").iterdir() if path.suffix != ".toml" and f'"{path.name}"' in text]
    _write({topo: text} | {topo.parent / path.name: path.read_text(encoding="utf-8") for path in sorted(beside)})


def _write(files: dict[Path, str]) -> None:
    """None, where one of them is there."""
    for path in files:
        if path.exists() or path.is_symlink():
            raise wrong_use(f"{path} exists already", "name another file")
    for path, text in files.items():
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise wrong_use(f"cannot write {path}: {error.strerror}") from None
        say(f"{path} is written")
