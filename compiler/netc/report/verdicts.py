"""What the judges of output said of a host, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netc.verify.verdict import Outcome, Verdict


def render(host: str, verdicts: Sequence[Verdict]) -> str:
    """A line for each judge, and under it the words on everything that did not pass."""
    lines = []
    for judge in dict.fromkeys(verdict.judge for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.judge == judge]
        counts = Counter(verdict.outcome for verdict in own)
        said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        lines.append(f"{host}: {judge}: {said}")
        for verdict in own:
            if verdict.outcome != Outcome.PASSED:
                lines.append(f"  {verdict.subject}: {verdict.outcome}")
                lines += [f"    {line}" for line in verdict.detail.splitlines()]
    return "\n".join(lines) + "\n"
