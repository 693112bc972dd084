"""A file with the metrics of the host."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.metrics import MetricsPath
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step


class MetricsFile(Fact, frozen=True):
    """What `netc-host status --metrics` prints, in a file that node_exporter reads. A timer writes it."""

    path: MetricsPath

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("begin_metrics", self.path),
            down=("remove_metrics", self.path),
            holds=(("metrics_are_there", self.path),),
            why="Empty until the timer writes it: what an earlier boot left behind is no metric.",
        )

    def questions(self) -> Iterator[Command]:
        yield ("metrics_are_written",)

    def libraries(self) -> Iterator[Library]:
        yield Library("metrics.bash", ("up", "down", "check"))

    def capabilities(self) -> tuple[str, ...]:
        """The folder may belong to the user of node_exporter."""
        return ("DAC_OVERRIDE",)
