"""`netc explain`"""

from __future__ import annotations

import re
from typing import Annotated

import typer

from netc.cli.topology import wrong_use


def explain(
    what: Annotated[str, typer.Argument(metavar="CODE", help="Of a problem: NC0703.")],
) -> None:
    """Say what a problem means and why it hurts, with an example: `-` is wrong, `+` is right."""
    code = what.upper()
    if re.fullmatch(r"NC[0-9]{4}", code):
        typer.echo(_page(code), nl=False)
        return
    raise wrong_use(f"{what!r} is no code of a problem", "it looks like `NC0703`")


def _page(code: str) -> str:
    """The page of docs/mistakes, for a terminal."""
    from netc.shipped import shipped

    folder = shipped("mistakes")
    page = folder / f"{code}.md"
    if not page.is_file():
        raise wrong_use(
            f"no problem has the code {code}", _nearest(code, [path.stem for path in folder.glob("NC*.md")])
        )
    lines = []
    for line in page.read_text().removeprefix("# ").splitlines():
        if beside := re.fullmatch(r"```diff beside=(\w+)", line):
            lines += [(folder / "beside" / f"{beside[1]}.toml").read_text().partition("\n")[0].removeprefix("# "), ""]
        elif not line.startswith("```"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _nearest(code: str, codes: list[str]) -> str:
    alike = sorted(known for known in codes if known[:4] == code[:4])
    return f"there are {', '.join(alike)}" if alike else ""
