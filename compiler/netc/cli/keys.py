"""`netc keys`: what only a host should know is made there, and what all should know is written into the topology."""

from __future__ import annotations

import re
import subprocess
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netc.cli.carriers import ByWhat, InventoryFile, SshCommand, Sudo, Through, carrier
from netc.cli.edit import put_secrets, replace, toml_of
from netc.cli.files import beside
from netc.cli.options import Hosts, Topo
from netc.cli.printer import say, warn
from netc.cli.topology import host_of, report, wrong_use

if TYPE_CHECKING:
    from netc.deploy.carrier import Carrier
    from netc.language.tables import Secret
    from netc.network.interface import Network

SECRETS = "files/etc/netc/secrets"


def keys(
    topo: Topo,
    host: Hosts = None,
    ssh: SshCommand = "ssh",
    through: ByWhat = Through.SSH,
    inventory: InventoryFile = None,
    sudo: Sudo = False,
    local: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Make the keys in DIR here. You copy them to the hosts.")
    ] = None,
    replace_keys: Annotated[
        bool, typer.Option("--replace", help="With --local: also make new keys in place of those that TOPO has.")
    ] = False,
    rotate: Annotated[
        str | None,
        typer.Option("--rotate", metavar="H|LINK", help="Replace the key of a host, or of a link's ends, in two runs."),
    ] = None,
) -> None:
    """Make missing keys on each host, and write their public keys into TOPO."""
    text = toml_of(topo)
    network = _understood(topo, text)
    names = [host_of(name, network) for name in host or network.topology.hosts]
    files = {name: text for name, text in _secrets(network).items() if name in names}
    if rotate:
        if local or host or replace_keys:
            raise wrong_use("--rotate goes with none of --host, --local and --replace")
        _rotate(rotate, topo, text, network, files, carrier(through, ssh, inventory, network.topology.hosts, sudo=sudo))
        return
    if replace_keys and not local:
        raise wrong_use("--replace goes with --local", "without --local, hosts keep the keys that they have")
    if local:
        if not replace_keys:
            _replaces_none(topo, text, files, local)
        made, failed = _here(files, local), False
        _share_here(network, files, local)
    else:
        by = carrier(through, ssh, inventory, files, sudo=sudo)
        unshared = _share(network, files, by)
        made, failed = _there(files, by)
        failed = failed or unshared
    _write(topo, text, made)
    if failed:
        raise typer.Exit(1)


def _understood(topo: Path, text: str) -> Network:
    """Keys that are still to be made are stood in for: a tree cannot be compiled without them."""
    from netc.diagnostic import InvalidTopology
    from netc.language.additions import NotAdded, with_text
    from netc.pipeline import understand

    while True:
        try:
            return understand(text, str(topo), beside(topo)).network
        except InvalidTopology as invalid:
            missing = [diagnostic.where for diagnostic in invalid.diagnostics if diagnostic.code == "NC0301"]
            if not missing:
                report(invalid.diagnostics, topo, text)
                raise typer.Exit(1) from None
        for where in dict.fromkeys(missing):
            path = tuple(map(str, (*where, "public_key")))
            try:
                text = with_text(text, path, b64encode(sha256(".".join(path).encode()).digest()).decode())
            except NotAdded as error:
                raise wrong_use(f"{topo}: {error}", "write `public_key` there yourself") from None


def _secrets(network: Network) -> Mapping[str, str]:
    """By host: what it lists of its secrets."""
    from netc.pipeline import compile_hosts

    listed = {host: next((f.text for f in files if f.path == SECRETS), "") for host, files in compile_hosts(network)}
    return {str(host): text for host, text in listed.items() if text}


def _identities(text: str) -> dict[str, str]:
    """Where the host keeps each of its keys, by where the topology has the public half."""
    rows = (line.split() for line in text.splitlines() if line.startswith("identity "))
    return {whose: place for _, place, whose, *_ in rows}


def _not_compared(text: str) -> str:
    """Without public keys: netc writes those of the host into the topology, whatever is there, and some stand in for
    keys that are still to be made."""
    return "".join(re.sub(r"^(identity \S+ \S+).*", r"\1", line) for line in text.splitlines(keepends=True))


def _there(files: Mapping[str, str], connection: Carrier) -> tuple[dict[str, str], bool]:
    from netc.deploy.keys import Made, make
    from netc.emit.host import carried

    program = carried()

    def ask(host: str) -> Made:
        wanted = frozenset(_identities(files[host]))
        given = {**program, "etc/netc/secrets": _not_compared(files[host]).encode()}
        return make(connection, host, given, wanted, lambda line: warn(f"{host}: {line}"))

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(ask, files))
    for one in made:
        if one.why:
            warn(f"{one.host}: some keys are missing: {one.why}")
    return {path: key for one in made for path, key in one.public.items()}, any(one.why for one in made)


def _rotate(name: str, topo: Path, text: str, network: Network, files: Mapping[str, str], connection: Carrier) -> None:
    from netc.cli.rotation import begin, end, turns
    from netc.emit.host import carried

    wanted = turns(name, network, {host: _identities(text) for host, text in files.items()})
    if all(turn.next for turn in wanted):
        end(topo, text, wanted, network, connection)
    else:
        program = carried()
        given = {turn.host: {**program, "etc/netc/secrets": files[turn.host].encode()} for turn in wanted}
        begin(topo, text, [turn for turn in wanted if not turn.next], given, connection)


def _shared(network: Network, files: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """The file of the preshared key at both ends (host, file), by link, if both hosts were asked for."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, link in network.topology.links.items():
        ends = [(host, link.ends[host].preshared_key) for host in link.between if host in link.ends]
        places = [(str(host), _place(secret)) for host, secret in ends if secret and host in files]
        if len(places) == len(link.between):
            found[str(name)] = places
    return found


def _place(secret: Secret) -> str:
    return str(secret.file or f"/etc/credstore/{secret.credential}")


def _share(network: Network, files: Mapping[str, str], connection: Carrier) -> bool:
    """Makes the preshared keys of links that neither end has. The key is in memory here, and on standard input there.
    Returns whether one is missing."""
    from netc.deploy.keys import new_preshared_key, share

    failed = False
    for name, ends in _shared(network, files).items():
        if why := share(connection, ends, new_preshared_key()):
            warn(f"the preshared key of link {name} is missing: {why}")
            failed = True
    return failed


def _replaces_none(topo: Path, text: str, files: Mapping[str, str], folder: Path) -> None:
    """Refuses to make a key in place of one whose public half the topology has: the host uses that one, perhaps."""
    from netc.checks.words import some

    replaced: dict[str, str] = {}
    for host, listed in files.items():
        for whose, place in _identities(listed).items():
            known, file = _written(text, whose), folder / host / place.rpartition("/")[2]
            if known and not (file.exists() and _wg("pubkey", file.read_text(encoding="utf-8").strip()) == known):
                replaced[whose] = host
    if replaced:
        hosts = list(dict.fromkeys(replaced.values()))
        what = f"{topo} already has {some(list(replaced))}. --local would replace what is there, and tunnels of"
        what += f" {some(hosts)} would be down until you have copied the new keys and deployed all hosts"
        new = [host for host in files if host not in hosts]
        hint = f"`--host {new[0]}` makes the keys of {new[0]} alone, " if new else ""
        hint += f"`--rotate {hosts[0]}` replaces a key while its tunnels stay up, and `--replace` does it all the same"
        raise wrong_use(what, hint)


def _written(text: str, whose: str) -> str:
    """The value in the topology as its author wrote it; empty for none."""
    found: Any = tomllib.loads(text)
    for key in whose.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _here(files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """By `wg` (wg(8)), each once: what is there already stays."""
    public: dict[str, str] = {}
    for host, text in files.items():
        for whose, place in _identities(text).items():
            name = f"{host}/{place.rpartition('/')[2]}"
            private = (
                _wg("genkey") if not (folder / name).exists() else (folder / name).read_text(encoding="utf-8").strip()
            )
            public[whose] = _wg("pubkey", private)
            put_secrets(folder, {name: private})
            say(f"{folder / name} belongs in {place} on {host}, mode 0600")
    return public


def _share_here(network: Network, files: Mapping[str, str], folder: Path) -> None:
    from netc.deploy.keys import new_preshared_key

    for ends in _shared(network, files).values():
        names = [f"{host}/{place.rpartition('/')[2]}" for host, place in ends]
        there = (folder / name for name in names if (folder / name).exists())
        key = next((path.read_text(encoding="utf-8").strip() for path in there), "") or new_preshared_key()
        put_secrets(folder, dict.fromkeys(names, key))
        for name, (host, place) in zip(names, ends, strict=True):
            say(f"{folder / name} belongs in {place} on {host}, mode 0600")


def _wg(verb: str, given: str = "") -> str:
    try:
        done = subprocess.run(["wg", verb], input=given, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise wrong_use("wg is missing: apt-get install wireguard-tools") from None
    if done.returncode != 0:
        raise wrong_use(f"wg {verb}: {done.stderr.strip()}")
    return done.stdout.strip()


def _write(topo: Path, text: str, made: Mapping[str, str]) -> None:
    from netc.checks.words import some
    from netc.language.additions import NotAdded, with_text, without

    new = text
    for whose, key in made.items():
        path = tuple(whose.split("."))
        following = (*path[:-1], f"next_{path[-1]}")
        before = _written(text, whose)
        try:
            new = with_text(new, path, key)
            if before != key and _written(text, ".".join(following)):
                new = without(new, following)  # the next key of one that is no longer used
        except NotAdded as error:
            warn(f'{topo}: {error}; write {whose} = "{key}"')
    if new == text:
        say(f"{topo}: no public key is missing")
        return
    replace(topo, new)
    say(f"{topo}: public keys written")
    if gone := [whose for whose, key in made.items() if _written(text, whose) not in ("", key)]:
        say(f"Next: build and deploy all hosts. Until then peers have the old {some(gone)}, and their tunnels are down")
