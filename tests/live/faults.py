"""Faults in compiled scripts: the same bytes as on a server, and a step that fails, or a kill -9 at any moment."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from live.lab import Host

Moment = Literal["fails", "before", "noted", "done"]

INJECTOR = Path(__file__).with_name("faults.bash")
PLACE = "/tmp/faults.bash"


@dataclass(frozen=True, slots=True)
class Fault:
    """What `faults.bash` says about the four moments."""

    moment: Moment
    step: int

    def __str__(self) -> str:
        return f"{self.moment} {self.step}"


def steps_of(text: str) -> list[str]:
    """The steps of a compiled script, up or down, in order."""
    return re.findall(r"^(?:step|undo) (.*)$", text, re.MULTILINE)


def failures(steps: int) -> list[Fault]:
    """Every step fails once."""
    return [Fault("fails", step) for step in range(1, steps + 1)]


def kills(steps: int) -> list[Fault]:
    """Every moment between two commands, up to the one before `finish`."""
    moments: tuple[Moment, ...] = ("before", "noted", "done")
    return [Fault(moment, step) for step in range(1, steps + 1) for moment in moments] + [Fault("before", steps + 1)]


def run_with(
    host: Host, argv: Sequence[str], fault: Fault, *, namespace: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a script that meets the fault; a script that ends without meeting it is the test's mistake."""
    host.write(PLACE, INJECTOR.read_text())
    env = {"BASH_ENV": PLACE, "FAULT": fault.moment, "FAULT_STEP": str(fault.step)}
    done = host.run(argv, namespace=namespace, check=False, env=env)
    if f"fault: {fault.moment} at step {fault.step}:" not in done.stderr:
        raise LookupError(f"`{' '.join(argv)}` has no step {fault.step}:\n{done.stdout}{done.stderr}")
    return done
