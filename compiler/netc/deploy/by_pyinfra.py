"""Connections of pyinfra, for users who have an inventory of it: `pip install 'netc[deploy]'`.

pyinfra uses greenlets, for which gevent replaces parts of Python's library in this process. So this module imports it
only when `--through pyinfra` asks for it.
"""

from __future__ import annotations

import math
import shlex
import socket
from base64 import encodebytes
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from netc.deploy.carrier import LIMIT, LOST, Said, last_jump, plain

if TYPE_CHECKING:
    from pyinfra.api import Host, Inventory

NAME = "netc_host"
"""Key of the inventory: the host's name in the topology, if it differs from the name in the inventory."""
ROOT = (
    *("_sudo", "_sudo_user", "_sudo_password", "_use_sudo_login"),
    *("_su_user", "_su_password", "_su_shell", "_use_su_login", "_doas", "_doas_user"),
)
"""Keys of an inventory that say how to become root."""
ALIVE, DEAD = 5, 15
"""Seconds between keepalives, and until an unanswered connection counts as lost: as with ssh."""
LEFT = "netc_left"
"""Files that pyinfra may have left on a host."""
ENDED = "netc-ended "
# pyinfra passes only text, line by line. It reports whether a command succeeded, but not its exit code, and it takes
# input that the command did not read for a lost connection.
THERE = f"base64 --decode | {{ %s; ended=$?; cat >/dev/null; exit $ended; }}; printf '\\n{ENDED}%%s\\n' \"$?\""


class NotAnInventory(ValueError):
    """The message says why netc finds no host in it."""


class Pyinfra(Struct, frozen=True):
    """Hosts by their names in the topology. `sudo`: the login is not root, whatever the inventory says."""

    hosts: Mapping[str, Host]
    sudo: bool

    def run(
        self,
        host: str,
        script: str,
        words: Sequence[str] = (),
        given: bytes = b"",
        *,
        fresh: bool = False,
        hear: Callable[[str], object] = str,
        limit: float = LIMIT,
    ) -> Said:
        """`hear` gets the lines at the end, because pyinfra returns them only then."""
        from paramiko import SSHException
        from pyinfra.api import StringCommand
        from pyinfra.api.exceptions import PyinfraError

        there = self.hosts[host]
        command = THERE % shlex.join(["bash", "-c", script, "netc", *words])
        try:
            _connect(there, fresh=fresh)
            _, output = there.run_shell_command(
                StringCommand(command),
                _stdin=encodebytes(given).decode(),
                _timeout=math.ceil(limit),
                **_becoming_root(there, self.sudo),
            )
        except (OSError, EOFError, SSHException, PyinfraError) as error:
            _hung_up(there)
            return Said(LOST, "", plain(f"{error or type(error).__name__}".encode()))
        lines = [line for line in (plain(line.encode()) for line in output.stderr_lines) if line]
        for line in lines:
            hear(line)
        last = lines[-1] if lines else ""
        *out, ended = output.stdout_lines or [""]
        status = ended.removeprefix(ENDED)
        if status == ended or not status.isdecimal():
            _hung_up(there)
            return Said(LOST, output.stdout, last or "the connection was lost")
        return Said(int(status), "\n".join(out), last)

    def close(self) -> None:
        """Closes all connections. pyinfra then removes its files for sudo's password from the hosts."""
        for there in self.hosts.values():
            _hung_up(there)

    def jump(self, host: str) -> str | None:
        """From ssh's configuration, which pyinfra reads too."""
        from pyinfra.connectors.sshuserclient.client import get_ssh_config

        config = get_ssh_config(getattr(self.hosts[host].data, "ssh_config_file", None))
        jump = config.lookup(_address(self.hosts[host])).get("proxyjump", "none") if config else "none"
        if jump == "none":
            return None
        known = {_address(there): name for name, there in self.hosts.items()}
        return known.get(last_jump(jump), last_jump(jump))


def pyinfra(names: Collection[str], inventory: Path | None, *, sudo: bool) -> Pyinfra:
    """Connections to hosts by their names, or by an inventory file. The file is Python and is executed.

    Raises NotAnInventory, and ImportError where pyinfra is not installed.
    """
    from gevent import monkey

    monkey.patch_all()
    from pyinfra.api import Config, Inventory, State
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory

    state = State()
    ctx_state.set(state)  # pyinfra writes into it which file it runs
    if inventory is None:
        made = Inventory((sorted(names), {}))
    else:
        try:
            made = make_inventory(str(inventory))
        except Exception as error:
            cause = error.__context__ or error  # pyinfra wraps what went wrong in the file
            raise NotAnInventory(f"{inventory}: {type(cause).__name__}: {cause}") from None
    hosts = _by_name(made)
    if missing := sorted(set(names) - hosts.keys()):
        raise NotAnInventory(f"{inventory} has no host for {', '.join(missing)}")
    state.init(made, Config())
    return Pyinfra(hosts, sudo)


def _by_name(inventory: Inventory) -> dict[str, Host]:
    found: dict[str, Host] = {}
    for host in sorted(inventory, key=str):
        name = getattr(host.data, NAME, host.name)
        if name in found:
            raise NotAnInventory(f"{found[name].name} and {host.name} are both {name}")
        found[name] = host
    return found


def _address(host: Host) -> str:
    return getattr(host.data, "ssh_hostname", None) or str(host.name)


def _becoming_root(host: Host, sudo: bool) -> dict[str, Any]:
    said = {key: value for key in ROOT if (value := getattr(host.data, key, None))}
    return said | {"_sudo": True} if sudo else said


def _connect(host: Host, *, fresh: bool) -> None:
    transport = _transport(host)
    if fresh or not host.connected or (transport and not transport.is_active()):
        _hung_up(host)
        host.connect(show_errors=False, raise_exceptions=True)
        if transport := _transport(host):
            _watched(transport)
        if left := host.connector_data.pop(LEFT, None):
            host.run_shell_command(shlex.join(["rm", "-f", "--", *left]), _timeout=LIMIT)


def _transport(host: Host) -> Any:
    """The transport of paramiko, if the connection is by ssh."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client else None


def _watched(transport: Any) -> None:
    """Lets the kernel end a dead connection (tcp(7)). Through a jump host it cannot."""
    transport.set_keepalive(ALIVE)
    with suppress(AttributeError, OSError):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD * 1000)


def _hung_up(host: Host) -> None:
    """Closes the connection, which pyinfra alone would keep open."""
    if not host.connected:
        return
    asking = [path for key, path in host.connector_data.items() if "askpass_path" in key and path]
    with suppress(Exception):
        host.disconnect()
    if asking:  # pyinfra forgets these files, which give sudo its password, even if it could not remove them
        host.connector_data[LEFT] = asking
    if client := getattr(host.connector, "client", None):
        client.close()
