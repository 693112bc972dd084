"""`bird -p`: can BIRD read each of its configurations to the end?

The judge reads a copy with stand-ins for what only the host has: passwords, switches and lists of ROAs. It checks the
syntax only: a filter that fails on a route, an unreachable next hop and a second protocol on a kernel table pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from netc.emit.file import File
from netc.verify import process, tree
from netc.verify.verdict import Verdict, could_not_run, verdict

JUDGE = "bird -p"

_LIST = re.compile(r'include "(?!/run/netc/)[^"]*";')
_SWITCH = re.compile(r'include "/run/netc/bird\.switches/[^"]*";')
_PASSWORD = re.compile(r'include "/run/netc/bird\.passwords/[^"]*";')


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """One process a configuration."""
    configs = tuple(file for file in files if file.path.endswith("/bird.conf"))
    if not configs:
        return ()
    bird = process.find("bird")
    if bird is None:
        return could_not_run(JUDGE, configs, "configurations", "bird is missing. To enable: apt-get install bird2")
    with tree.on_disk(map(_as_here, configs)) as folder:
        return tuple(_judge(bird, config, folder / config.path) for config in configs)


def _judge(bird: str, config: File, path: object) -> Verdict:
    answer = process.ask((bird, "-p", "-c", str(path)))
    if isinstance(answer, process.Silence):
        return could_not_run(JUDGE, (config,), "configurations", answer.reason)[0]
    complaints = process.died(answer) + answer.words.replace(f"{path}:", "line ")
    if answer.status and not complaints:
        complaints = f"exit status {answer.status}"
    return verdict(JUDGE, config.path, complaints)


def _as_here(file: File) -> File:
    text = _PASSWORD.sub('password "stands in";', _LIST.sub("", file.text))
    return replace(file, text=_SWITCH.sub("disabled;", text), mode=0o644)
