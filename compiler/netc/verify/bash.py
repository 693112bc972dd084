"""`bash -n`: does bash itself read each script to its end?"""

from __future__ import annotations

from collections.abc import Sequence

from netc.emit.file import File
from netc.verify import process, tree
from netc.verify.verdict import Verdict, could_not_run, verdict

JUDGE = "bash -n"


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """One process a script, about 2 ms each: bash reads one file and takes further ones for its arguments."""
    scripts = tree.scripts(files)
    bash = process.find("bash")
    if bash is None:
        return could_not_run(JUDGE, scripts, "scripts", "bash is missing; to enable: apt-get install bash")
    return tuple(verdict for script in scripts for verdict in _judge(bash, script))


def _judge(bash: str, script: File) -> tuple[Verdict, ...]:
    answer = process.ask((bash, "--norc", "-n"), text=script.text)
    if isinstance(answer, process.Silence):
        return could_not_run(JUDGE, (script,), "scripts", answer.reason)
    # Warnings (a here-document that the end of the file closes) leave the status at 0.
    complaints = process.died(answer) + answer.words.replace(f"{bash}: ", "")
    if answer.status and not complaints:
        complaints = f"exit status {answer.status}"
    return (verdict(JUDGE, script.path, complaints),)
