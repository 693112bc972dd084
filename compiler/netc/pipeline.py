"""The whole compiler, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from netc.checks import check, prove, tidy
from netc.checks.acknowledgements import acknowledge
from netc.checks.lockout import takers
from netc.emit import emit
from netc.emit.file import File
from netc.features import FEATURES
from netc.language.names import HostName
from netc.language.read import read
from netc.network.interface import Network
from netc.network.resolve import resolve
from netc.plan.digest import Digests
from netc.plan.host_plan import HostPlan
from netc.plan.join import join
from netc.problem import Mistakes, Problem, Severity
from netc.workers import spread
from netc.write import Files


class Checked(Struct, frozen=True):
    """A network without mistakes, and what its author should still know."""

    network: Network
    notes: tuple[Problem, ...]


def understand(text: str, file: str, read_file: Callable[[str], str], *, proving: bool = True) -> Checked:
    """Reads and checks a topology. Raises Mistakes with all of them. Who is not `proving` leaves to `recompile_hosts`
    what only plans can show."""
    reading = read(text, file, read_file)
    if reading.topology is None:
        raise Mistakes(reading.problems)
    network, underived = resolve(reading.topology)
    found = (*reading.problems, *underived, *check(network, reading.broken))
    if all(problem.severity != Severity.ERROR for problem in found):
        found = (*found, *tidy(network))
    problems = acknowledge(found, reading.topology)
    if any(problem.severity == Severity.ERROR for problem in problems):
        raise Mistakes(problems)
    if proving and (disproved := prove(network)):
        raise Mistakes((*problems, *disproved))
    return Checked(network, problems)


def plan(host: HostName, network: Network) -> HostPlan:
    shares = (share for feature in FEATURES for share in feature.plan(host, network))
    return join(network.topology.network.name, host, network.topology.hosts[host].netfilter, shares)


def compile_hosts(network: Network, only: HostName | None = None) -> Iterator[tuple[HostName, tuple[File, ...]]]:
    """One host after the other, so that a large network is never held whole."""
    hosts = [host for host in sorted(network.topology.hosts) if only in (None, host)]
    return zip(hosts, spread(lambda host: emit(plan(host, network)), hosts), strict=True)


Made = tuple[HostName, bytes, Files]
"""A host, the digest of its plan, and its files; or how many there are, where they need not be made."""


def recompile_hosts(network: Network, standing: Callable[[HostName, bytes], int | None]) -> Iterator[Made]:
    """As `compile_hosts`, but for hosts of which `standing` says how many files are there, all as their plan has it.
    Each is planned once, for the proof as well: raises Mistakes."""
    digests = Digests()

    def made(host: HostName) -> tuple[Made, tuple[Problem, ...]]:
        facts = plan(host, network)
        digest = digests.of(facts)
        count = standing(host, digest)
        return (host, digest, emit(facts) if count is None else count), tuple(takers(facts, network))

    disproved: list[Problem] = []
    for one, problems in spread(made, sorted(network.topology.hosts)):
        disproved += problems
        if not disproved:
            yield one
    if disproved:
        raise Mistakes(tuple(disproved))
