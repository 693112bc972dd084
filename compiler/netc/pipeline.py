"""The whole compiler, in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from netc.checks import check, check_plan, tidy
from netc.checks.acknowledgements import acknowledge
from netc.checks.cures import whole
from netc.checks.expect import judge
from netc.checks.lockout import filtering
from netc.diagnostic import Diagnostic, InvalidTopology, Severity
from netc.features import FEATURES
from netc.language.changed import BEFORE_ALL, CODE, Compiler, changed
from netc.language.names import HostName
from netc.language.read import read
from netc.language.stand_ins import follows
from netc.language.targets import tools_of
from netc.language.topology import Topology
from netc.network.interface import Network
from netc.network.resolve import resolve
from netc.plan.host_plan import HostPlan
from netc.plan.join import join
from netc.workers import spread

if TYPE_CHECKING:
    from netc.emit.file import File

Made = TypeVar("Made")


class Checked(Struct, frozen=True):
    """A network without errors, and its other diagnostics."""

    network: Network
    notes: tuple[Diagnostic, ...]


def understand(
    text: str,
    file: str,
    read_file: Callable[[str], str],
    compiler: Compiler | None = None,
    *,
    promises: bool = True,
) -> Checked:
    """Reads and checks a topology. Raises InvalidTopology with all of them; plans are not checked in a network that has
    errors already. `compiler`: the netc that built it before, if any. Without `promises`, those are not proved."""
    reading = read(text, file, read_file)
    if reading.topology is None:
        raise InvalidTopology(reading.diagnostics)
    network, underived = resolve(reading.topology)
    checked = (one for one in check(network, reading.broken) if not follows(one, reading.empty))
    found = (*reading.diagnostics, *underived, *checked)
    if not _has_errors(found):
        reported = changed(text, compiler) if compiler else ()
        found = (*reported, *found, *tidy(network), *_from_plans(network))
        found = (*found, *(_expected(network) if promises else ()))
    found = whole(found, reading.topology)
    diagnostics = acknowledge(found, reading.topology, _reported_elsewhere(text, reading.topology))
    if _has_errors(diagnostics):
        raise InvalidTopology(diagnostics)
    return Checked(network, diagnostics)


def _has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(diagnostic.severity == Severity.ERROR for diagnostic in diagnostics)


def _reported_elsewhere(text: str, topology: Topology) -> tuple[Diagnostic, ...]:
    """Warnings that may be acknowledged although netc does not report them here: warnings of changed defaults depend
    on a DIR."""
    if any(acknowledgement.code == CODE for acknowledgement in topology.acknowledge):
        return changed(text, Compiler(BEFORE_ALL))
    return ()


def _from_plans(network: Network) -> Iterator[Diagnostic]:
    """What is found in what hosts let in."""
    for host in sorted(network.topology.hosts):
        yield from check_plan(filtering(host, network), network)


def _expected(network: Network) -> Iterator[Diagnostic]:
    """What the topology promises and its plans do not keep."""
    if network.topology.expect:
        yield from judge([plan(host, network) for host in sorted(network.topology.hosts)], network)


def plan(host: HostName, network: Network) -> HostPlan:
    shares = (share for feature in FEATURES for share in feature.plan(host, network))
    table = network.topology.hosts[host]
    joined = join(network.topology.network.name, host, table.netfilter, shares)
    return replace(joined, target=table.target.name if table.target else "", tools=tools_of(table.target))


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
