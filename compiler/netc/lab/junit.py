"""What became of promises, for programs that read JUnit's XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar
from xml.etree import ElementTree

from netc.lab.promises import Fault


class Result(Protocol):
    """Of a promise."""

    text: str
    untried: Counter[str]
    faults: list[Fault]

    @property
    def state(self) -> str: ...


One = TypeVar("One", bound=Result)
Lines = Callable[[One], Iterable[str]]


def junit(name: str, results: Sequence[One], seconds: float, faults: Lines[One], untried: Lines[One]) -> bytes:
    """What holds, what does not, and what nobody could say."""
    counts = {
        "tests": len(results),
        "failures": sum(result.state == "does not hold" for result in results),
        "skipped": sum(result.state.startswith("not ") for result in results),
    }
    suite = ElementTree.Element("testsuite", {"name": name, "time": f"{seconds:.1f}"})
    suite.attrib |= {key: str(count) for key, count in counts.items()}
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", {"classname": name, "name": result.text})
        if result.state == "does not hold":
            failure = ElementTree.SubElement(case, "failure", {"message": f"{result.faults[0].key} does not hold"})
            failure.text = "\n".join(faults(result))
        elif result.state.startswith("not "):
            ElementTree.SubElement(case, "skipped", {"message": "; ".join(untried(result))})
        elif result.untried:
            ElementTree.SubElement(case, "system-out").text = "\n".join(untried(result))
    made: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return made
