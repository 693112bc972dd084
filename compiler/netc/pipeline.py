"""The whole compiler, in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from netc.checks import check, show, tidy
from netc.checks.acknowledgements import acknowledge
from netc.checks.lockout import filtering
from netc.features import FEATURES
from netc.language.changed import BEFORE_ALL, CODE, Compiler, changed
from netc.language.names import HostName
from netc.language.read import read
from netc.language.topology import Topology
from netc.network.interface import Network
from netc.network.resolve import resolve
from netc.plan.host_plan import HostPlan
from netc.plan.join import join
from netc.problem import Mistakes, Problem, Severity
from netc.workers import spread

if TYPE_CHECKING:
    from netc.emit.file import File

Made = TypeVar("Made")


class Checked(Struct, frozen=True):
    """A network without mistakes, and what its author should still know."""

    network: Network
    notes: tuple[Problem, ...]


def understand(text: str, file: str, read_file: Callable[[str], str], compiler: Compiler | None = None) -> Checked:
    """Reads and checks a topology. Raises Mistakes with all of them; what only plans show is not asked of a network
    that has some already. `compiler`: the netc that built it before, if any."""
    reading = read(text, file, read_file)
    if reading.topology is None:
        raise Mistakes(reading.problems)
    network, underived = resolve(reading.topology)
    found = (*reading.problems, *underived, *check(network, reading.broken))
    if not _has_errors(found):
        told = changed(text, compiler) if compiler else ()
        found = (*told, *found, *tidy(network), *_shown(network))
    problems = acknowledge(found, reading.topology, _told_elsewhere(text, reading.topology))
    if _has_errors(problems):
        raise Mistakes(problems)
    return Checked(network, problems)


def _has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity == Severity.ERROR for problem in problems)


def _told_elsewhere(text: str, topology: Topology) -> tuple[Problem, ...]:
    """What may be acknowledged although it is not told here: whether a changed default is told depends on a DIR."""
    if any(acknowledgement.code == CODE for acknowledgement in topology.acknowledge):
        return changed(text, Compiler(BEFORE_ALL))
    return ()


def _shown(network: Network) -> Iterator[Problem]:
    """What is found in what hosts let in."""
    for host in sorted(network.topology.hosts):
        yield from show(filtering(host, network), network)


def plan(host: HostName, network: Network) -> HostPlan:
    shares = (share for feature in FEATURES for share in feature.plan(host, network))
    return join(network.topology.network.name, host, network.topology.hosts[host].netfilter, shares)


def each_host(
    network: Network, then: Callable[[HostName, tuple[File, ...]], Made], only: HostName | None = None
) -> Generator[Made, None, None]:
    """What `then` makes of each host's files, host by host: in the process that compiled them, so that those of a large
    network are in no process all at once, and go from none to another."""
    from netc.emit import emit

    hosts = [host for host in sorted(network.topology.hosts) if only in (None, host)]
    return spread(lambda host: then(host, emit(plan(host, network))), hosts)


def compile_hosts(
    network: Network, only: HostName | None = None
) -> Generator[tuple[HostName, tuple[File, ...]], None, None]:
    """Each host with its files."""
    return each_host(network, lambda host, files: (host, files), only)
