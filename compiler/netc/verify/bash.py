"""`bash -n`: does bash itself read each script to its end?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from netc.emit.file import File
from netc.verify import process, tree
from netc.verify.verdict import Verdict, could_not_run, verdict

JUDGE = "bash -n"


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """One process a script, about 2 ms each: bash reads one file and takes further ones for its arguments."""
    scripts = tree.scripts(files)
    bash = process.find("bash")
    if bash is None:
        return could_not_run(JUDGE, scripts, "scripts", "bash is missing. To enable: apt-get install bash")
    return tuple(_judge(bash, script) for script in scripts)


def _judge(bash: str, script: File) -> Verdict:
    said = _said(bash, script.text)
    if isinstance(said, process.Silence):
        _said.cache_clear()  # on the next host it may answer
        (none,) = could_not_run(JUDGE, (script,), "scripts", said.reason)
        return none
    return verdict(JUDGE, script.path, said)


@lru_cache(maxsize=4096)
def _said(bash: str, text: str) -> str | process.Silence:
    """Of a script, which is often the same on many hosts."""
    answer = process.ask((bash, "--norc", "-n"), text=text)
    if isinstance(answer, process.Silence):
        return answer
    # Warnings (a here-document that the end of the file closes) leave the status at 0.
    complaints = process.died(answer) + answer.words.replace(f"{bash}: ", "")
    return complaints or (f"exit status {answer.status}" if answer.status else "")
