"""Promises of a large network: `netc check` of a ring of 200 routers with 50 expectations, beside the same without any.

Each expectation is about one router and the loopback of another, ten links away: who gets the packets, by which
routers, with which source. BIRD's routes on all of them are computed, and each class of packets is walked there and
back.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.figure import NETC, Bar, Command, Figure, beside, compared, room
from bench.ring import ROUTERS, for_netc

PROMISES, AWAY, RUNS = 50, 10, 5
BAR = Bar("most", 2)


def promises(count: int) -> str:
    """From router n to the one AWAY links further on."""
    lines: list[str] = []
    for n in range(1, count + 1):
        near, far = 3 * n, 3 * n + AWAY
        lines += ["[[expect]]", f'from = "r{near}"', f'to = "10.0.0.{far}:179/tcp"', f'arrives = "r{far}"']
        lines += [f'through = "r{near + 1}"', 'source = "kept"']
    return "\n".join(lines) + "\n"


def figures() -> Iterator[Figure]:
    work = f"netc check of {ROUTERS} routers in a ring"
    with room() as folder:
        without, with_ = folder / "without.toml", folder / "with.toml"
        without.write_text(for_netc(ROUTERS))
        with_.write_text(for_netc(ROUTERS) + promises(PROMISES))
        cost = beside(
            work,
            {
                "netc": Command([*NETC, "check", str(with_)]),
                "plain": Command([*NETC, "check", str(without)]),
            },
            RUNS,
        )
    yield compared(work, f"{PROMISES} expectations", "none", cost["netc"], cost["plain"], BAR)
