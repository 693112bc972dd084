"""The report of a run: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.figure import Figure, Missing

Rows = Mapping[str, Sequence[Figure | Missing]]
"""Each subject with what it gave."""

HEAD = "| work | netc | | beside | | ratio | bar | |\n|---|---|---:|---|---:|---:|---|---|\n"


def markdown(rows: Rows, about: Mapping[str, str], curves: str | None) -> str:
    """`about`: where and when it was taken; `curves`: the name of the picture of growth, if there is one."""
    text = "# netc beside others\n\n" + "".join(f"- {name}: {value}\n" for name, value in about.items())
    text += "- every time is the median of runs that took turns (least to most), every ratio of such runs the\n"
    text += "  median of theirs; memory is the most that a single process held\n"
    for subject, found in rows.items():
        figures = [one for one in found if isinstance(one, Figure)]
        text += f"\n## {subject}\n\n" + (HEAD + "".join(map(_row, figures)) if figures else "")
        missing = [one for one in found if isinstance(one, Missing)]
        text += "".join(f"\n- not measured: {one.work}: {one.why}\n" for one in missing)
    if curves:
        text += f"\n## Growth\n\n![time and memory against hosts, links and prefixes]({curves})\n"
    return text


def _row(figure: Figure) -> str:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3g}"
    mine = _number(figure.value, figure.unit) + _spread(figure.runs)
    other = "" if figure.beside is None else _number(figure.beside, figure.unit) + _spread(figure.runs_beside)
    cells = (figure.work, figure.ours, mine, figure.peer, other, ratio, _bar(figure))
    verdict = {None: "", True: "holds", False: "**MISSED**"}[figure.holds]
    return f"| {' | '.join(cells)} | {verdict} |\n"


def _number(value: float, unit: str) -> str:
    return f"{_digits(value)} {unit}"


def _spread(runs: Sequence[float]) -> str:
    return f" ({_digits(min(runs))} to {_digits(max(runs))})" if len(runs) > 1 else ""


def _digits(value: float) -> str:
    if isinstance(value, int):  # counted, not measured
        return f"{value:,}"
    return f"{value:,.{0 if value >= 100 else 3 - len(str(int(value)))}f}"


def _bar(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    what = "×" if figure.bar.of == "ratio" else f" {figure.unit}"
    return f"at {figure.bar.side} {figure.bar.limit:g}{what}"


def as_json(rows: Rows, about: Mapping[str, str]) -> str:
    subjects = {subject: [_record(one) for one in found] for subject, found in rows.items()}
    return json.dumps({"about": dict(about), "subjects": subjects}, indent=1, ensure_ascii=False) + "\n"


def _record(one: Figure | Missing) -> dict[str, object]:
    if isinstance(one, Missing):
        return asdict(one)
    return asdict(one) | {"ratio": one.ratio, "holds": one.holds}


def missed(rows: Rows) -> list[str]:
    return [one.work for found in rows.values() for one in found if _is_missed(one)]


def _is_missed(one: Figure | Missing) -> bool:
    if isinstance(one, Missing):
        return one.broken
    return one.holds is False or math.isnan(one.value)
