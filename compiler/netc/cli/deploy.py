"""`netc deploy`"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.bundle import Key, signature
from netc.cli.carriers import ByWhat, InventoryFile, SshCommand, Sudo, Through, carrier
from netc.cli.options import Hosts, Topo
from netc.cli.printer import document, warn
from netc.cli.topology import host_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.deploy.carrier import Carrier
    from netc.deploy.host import Deployer
    from netc.language.names import HostName
    from netc.network.interface import Network


def deploy(
    topo: Topo,
    host: Hosts = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many hosts at the same time.")] = 1,
    canary: Annotated[str | None, typer.Option(metavar="H", help="Change this host first, and alone.")] = None,
    within: Annotated[int, typer.Option(metavar="S", min=1, max=99999, help="Seconds until a host rolls back.")] = 180,
    ssh: SshCommand = "ssh",
    through: ByWhat = Through.SSH,
    inventory: InventoryFile = None,
    sudo: Sudo = False,
    key: Key = None,
    verify: Annotated[bool, typer.Option("--verify", help="Confirm a host only if its promises hold there.")] = False,
    revert_all: Annotated[bool, typer.Option("--revert-all", help="If one fails, roll back confirmed ones.")] = False,
) -> None:
    """Install on the hosts of TOPO over ssh, and confirm each change over a new connection."""
    from netc.deploy.fleet import revert, roll_out, table, waves
    from netc.deploy.host import FINE, Outcome

    network = understood(topo).network
    names = {host_of(name, network) for name in host or network.topology.hosts}
    first = host_of(canary, network) if canary else None
    if first is not None and first not in names:
        raise wrong_use(f"the canary {first} is none of the hosts that are named")
    connection = carrier(through, ssh, inventory, names, sudo=sudo)
    bundles, generations = bundles_of(network, names, key)
    deployer = _deployer(connection, within, _doubts(network, connection) if verify else None)
    order = list(waves(_order(network, names, connection), first, limit))
    results = roll_out(order, lambda name: deployer.install(name, generations[name], bundles[name]))
    failed = any(result.outcome not in FINE for result in results)
    confirmed = [result.host for result in results if result.outcome is Outcome.CONFIRMED]
    if failed and confirmed and (revert_all or _wants_back(confirmed)):
        results = revert(results, deployer.back)
    document(table(results))
    if failed:
        raise typer.Exit(1)


def bundles_of(
    network: Network, names: set[HostName], key: Key
) -> tuple[dict[str, Mapping[str, bytes]], dict[str, str]]:
    """What each host gets, and the generation that it is to have: made before any host is touched."""
    from netc.emit.bundle import bundle
    from netc.emit.generation import generation
    from netc.pipeline import compile_hosts

    bundles: dict[str, Mapping[str, bytes]] = {}
    generations: dict[str, str] = {}
    for host, files in compile_hosts(network):
        if host not in names:
            continue
        data = bundle(files)
        signed = {f"{host}.tar.gz.sig": signature(data, key)} if key else {}
        bundles[host] = {f"{host}.tar.gz": data, **signed}
        generations[host] = generation(files)
    return bundles, generations


def _order(network: Network, names: set[HostName], connection: Carrier) -> list[list[str]]:
    """A host comes after the hosts that are reached through it, by ssh's configuration and by the topology."""
    from netc.network.reach import farthest_first

    hosts = {str(host): host for host in network.topology.hosts}
    asked = {host: connection.jump(host) for host in names}
    jumps = {host: hosts[jump] for host, jump in asked.items() if jump in hosts}
    groups = farthest_first(network.topology, jumps)
    return [[name for name in group if name in names] for group in groups]


def _doubts(network: Network, connection: Carrier) -> Callable[[str], str]:
    """For `--verify`: why a host is not to be confirmed."""
    from netc.live.verify import doubts
    from netc.pipeline import plan

    if not network.topology.expect:
        raise wrong_use("--verify needs promises", "write `[[expect]]`: docs/how-to/prove-promises.md")
    plans = [plan(host, network) for host in sorted(network.topology.hosts)]
    return lambda host: doubts(connection, network, plans, host_of(host, network))


def _deployer(connection: Carrier, within: int, doubts: Callable[[str], str] | None) -> Deployer:
    from netc.deploy.host import Deployer
    from netc.emit.host import carried

    lock = Lock()

    def report_step(host: str, line: str) -> None:
        with lock:
            warn(f"{host}: {line}")

    return Deployer(connection, within, report_step, carried(), doubts)


def _wants_back(hosts: list[str]) -> bool:
    """Asks on a terminal. Elsewhere, what is confirmed stays."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(f"{', '.join(hosts)}: confirmed. Roll them back too?", default=False, err=True)
