"""The whole compiler, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from netc.checks import check, show, tidy
from netc.checks.acknowledgements import acknowledge
from netc.checks.lockout import filtering
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
from netc.write import Laid, Lay

if TYPE_CHECKING:
    from netc.emit.file import File


class Checked(Struct, frozen=True):
    """A network without mistakes, and what its author should still know."""

    network: Network
    notes: tuple[Problem, ...]


class Survey(Struct, frozen=True):
    """A network, and what was found in it before any of its hosts was planned: no mistakes."""

    network: Network
    found: tuple[Problem, ...]

    def judged(self, shown: Iterable[Problem]) -> Checked:
        """With all that the plans of its hosts have shown. Raises Mistakes."""
        problems = acknowledge((*self.found, *shown), self.network.topology)
        if any(problem.severity == Severity.ERROR for problem in problems):
            raise Mistakes(problems)
        return Checked(self.network, problems)


def survey(text: str, file: str, read_file: Callable[[str], str]) -> Survey:
    """Reads and checks a topology. Raises Mistakes, with all that can be found without plans."""
    reading = read(text, file, read_file)
    if reading.topology is None:
        raise Mistakes(reading.problems)
    network, underived = resolve(reading.topology)
    found = (*reading.problems, *underived, *check(network, reading.broken))
    if any(problem.severity == Severity.ERROR for problem in found):
        raise Mistakes(acknowledge(found, reading.topology))
    return Survey(network, (*found, *tidy(network)))


def understand(text: str, file: str, read_file: Callable[[str], str]) -> Checked:
    """Reads and checks a topology. Raises Mistakes with all of them."""
    surveyed = survey(text, file, read_file)
    network = surveyed.network
    hosts = sorted(network.topology.hosts)
    shown = spread(lambda host: tuple(show(filtering(host, network), network)), hosts)
    return surveyed.judged(chain.from_iterable(shown))


def plan(host: HostName, network: Network) -> HostPlan:
    shares = (share for feature in FEATURES for share in feature.plan(host, network))
    return join(network.topology.network.name, host, network.topology.hosts[host].netfilter, shares)


def compile_hosts(network: Network, only: HostName | None = None) -> Iterator[tuple[HostName, tuple[File, ...]]]:
    """One host after the other, so that a large network is never held whole."""
    from netc.emit import emit

    hosts = [host for host in sorted(network.topology.hosts) if only in (None, host)]
    return zip(hosts, spread(lambda host: emit(plan(host, network)), hosts), strict=True)


class Made(Struct, frozen=True):
    """A host, the digest of its plan and what that shows; the paths of its files, or None where they need not be made;
    and what became of them."""

    host: HostName
    digest: bytes
    shown: tuple[Problem, ...]
    paths: tuple[str, ...] | None
    laid: Laid


def recompile_hosts(network: Network, standing: Callable[[HostName, bytes], int | None], lay: Lay) -> Iterator[Made]:
    """As `compile_hosts`, but for hosts of which `standing` says how many files are there, all as their plan has it,
    and puts them down. Nobody has looked yet at what plans show: each host is planned once, for that as well."""
    digests = Digests()

    def made(host: HostName) -> Made:
        facts = plan(host, network)
        digest, shown = digests.of(facts), tuple(show(facts, network))
        count = standing(host, digest)
        if count is not None:
            return Made(host, digest, shown, None, Laid((), (), count))
        from netc.emit import emit  # not where nothing is printed

        files = emit(facts)
        return Made(host, digest, shown, tuple(file.path for file in files), lay(host, files))

    return spread(made, sorted(network.topology.hosts))
