"""What became of promises, for programs that read JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from netc.lab.promises import Result
from netc.lab.said import faults, untried


def junit(name: str, results: Sequence[Result], seconds: float) -> bytes:
    counts = {
        "tests": len(results),
        "failures": sum(result.state == "does not hold" for result in results),
        "skipped": sum(result.state == "not tried" for result in results),
    }
    suite = ElementTree.Element("testsuite", {"name": name, "time": f"{seconds:.1f}"})
    suite.attrib |= {key: str(count) for key, count in counts.items()}
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", {"classname": name, "name": result.text})
        if result.state == "does not hold":
            failure = ElementTree.SubElement(case, "failure", {"message": f"{result.faults[0].key} does not hold"})
            failure.text = "\n".join(faults(result))
        elif result.state == "not tried":
            ElementTree.SubElement(case, "skipped", {"message": "; ".join(untried(result))})
        elif result.untried:
            ElementTree.SubElement(case, "system-out").text = "\n".join(untried(result))
    made: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return made
