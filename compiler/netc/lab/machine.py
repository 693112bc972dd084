"""A lab: hosts that share nothing with this machine but its programs and its kernel, and the wires between them.

In come host names and compiled trees, out come hosts on which scripts run as they would on a server. A host is a set of
namespaces (mounts, network, processes, name) with writable layers in memory; `host.bash` makes it. Nothing is left when
the lab ends, however it ends, since everything of a host hangs on one process, and that one on a pipe to this program.
"""

import signal
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from netc.lab.process import Process
from netc.lab.waiting import LONG

HOLDER = Path(__file__).with_name("host.bash")
LAYERS = ("/etc", "/run", "/tmp", "/usr/lib", "/usr/local", "/var")
"""What a host can write to."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb"}

TIMELESS = ("setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time")
"""Hosts share the clock of this machine, and may not set it."""
PLUGGED = """
dev=$1
echo 0 >"/proc/sys/net/ipv6/conf/$dev/accept_dad"
for address in "${@:2}"; do
    [[ $address != *:* ]] || nodad=nodad
    ip address add "$address" dev "$dev" ${nodad-}
    unset nodad
done
ip link set dev "$dev" up
"""
SETTLED = """
until [[ $(ip link show dev "$1") == *LOWER_UP* && $(ip link show dev "$1") != *NO-CARRIER* ]] &&
    [[ -z $(ip -6 address show dev "$1" tentative) ]]; do
    sleep 0.02
done
"""

# Loading a module makes sysctl keys and fallback links (gre0, sit0, …) appear in every network namespace. Whatever a
# script may need is there before the first host is, so that a host changes by what runs on it alone.
MODULES = (
    *("wireguard", "tun", "dummy", "veth", "bridge", "vxlan", "vrf"),
    *("ip_gre", "ip6_gre", "ipip", "sit", "ip6_tunnel", "overlay"),
    *("nf_tables", "nft_chain_nat", "nft_ct", "nft_masq", "nft_redir", "nft_fib_inet", "nft_socket", "nft_log"),
    *("nf_conntrack", "nf_conntrack_netlink", "nft_compat", "ip_set", "ip_set_hash_net", "ip_set_list_set", "xt_set"),
    *("ip_tables", "ip6_tables", "iptable_mangle", "iptable_nat", "ip6table_mangle", "ip6table_nat"),
    *("xt_LOG", "nf_log_syslog"),
)


@cache
def load_modules() -> None:
    """Those that this kernel has: some are built in, some it has never heard of."""
    subprocess.run(["modprobe", "--quiet", "--all", *MODULES], check=False, stderr=subprocess.DEVNULL)


def ids() -> int:
    """How many users there are, of those that a kernel can have: one without root, if newuidmap(1) gives no more."""
    return sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text(encoding="utf-8").splitlines())


def is_root() -> bool:
    """Of this machine, not of a user namespace."""
    return ids() == 2**32 - 1


class Lab:
    """`apart`: its hosts see nothing that is this machine's own, such as homes, credentials, devices and what programs
    keep in /var. `folder` is where it may write."""

    def __init__(self, *, apart: bool = False, folder: Path | None = None) -> None:
        self.apart = apart
        self._folder = TemporaryDirectory(prefix="lab-", dir=folder)
        self._numbers = count(1)
        self._indexes = count(100_001)  # beyond those that a kernel gives by itself
        self._hosts: list[Host] = []

    def __enter__(self) -> Self:
        load_modules()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """All of it, the last host first, also when one of them cannot be closed."""
        with ExitStack() as last:
            last.callback(self._folder.cleanup)
            for host in self._hosts:
                last.callback(host.close)
            self._hosts.clear()

    def host(self, name: str) -> "Host":
        host = Host(name, self)
        self.boot(host)
        return host

    def boot(self, host: "Host") -> None:
        self._hosts.append(host)
        host.boot()

    def adopt(self, host: "Host") -> None:
        """A host of another make, which ends with this lab."""
        self._hosts.append(host)

    def switch(self, name: str) -> "Switch":
        """A bridge in a place of its own, for `plug`."""
        switch = Switch(name, self)
        self.boot(switch)
        return switch

    def wire(
        self,
        a: "Host",
        a_interface: str,
        b: "Host",
        b_interface: str,
        *,
        a_addresses: Sequence[str] = (),
        b_addresses: Sequence[str] = (),
        mtu: int = 1500,
    ) -> None:
        """A cable between two hosts; both ends up, their addresses usable at once."""
        left = ["dev", a_interface, "index", self._index(), "mtu", str(mtu), "netns", str(a.pid)]
        right = ["name", b_interface, "index", self._index(), "mtu", str(mtu), "netns", str(b.pid)]
        there = ["nsenter", f"--net=/proc/{a.pid}/ns/net", "--"]  # without root, this machine's network is not ours
        add = [*there, "ip", "link", "add", *left, "type", "veth", "peer", *right]
        if subprocess.run(add, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            # The kernel removes the cable of a machine that was powered off, but on a busy machine later than it boots.
            for host, interface in ((a, a_interface), (b, b_interface)):
                host.run(["ip", "link", "delete", "dev", interface], check=False)
            subprocess.run(add, check=True)
        a.plugged(a_interface, a_addresses)
        b.plugged(b_interface, b_addresses)
        a.settled(a_interface)
        b.settled(b_interface)

    def _index(self) -> str:
        """No two ends have the same: the kernel is a second late to see the carrier of a link that is its own peer."""
        return str(next(self._indexes))

    def file(self, suffix: str) -> Path:
        """A new name in the lab's own folder, on this machine."""
        return Path(self._folder.name) / f"{next(self._numbers)}{suffix}"


class Host:
    def __init__(self, name: str, lab: Lab) -> None:
        self.name = name
        self.pid = 0
        self._lab = lab
        self._holder: subprocess.Popen[str] | None = None
        self._started: list[Process] = []
        self._laid: set[str] = set()

    def boot(self) -> None:
        complaints = self._lab.file(".boot")
        unshare = ["unshare", "--mount", "--propagation=private", "--net", "--uts", "--pid", "--fork", "--kill-child"]
        with complaints.open("wb") as stderr:
            self._holder = subprocess.Popen(
                [*TIMELESS, *unshare, "bash", str(HOLDER), self.name, "apart" if self._lab.apart else ""],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                encoding="utf-8",
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # an interrupt at the terminal is for the lab to handle
            )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        if not said:
            said = complaints.read_text(encoding="utf-8")
            raise RuntimeError(f"the host {self.name} could not be made:\n{said}")
        self.pid = int(said)

    def close(self) -> None:
        for process in reversed(self._started):
            process.stop(signal.SIGKILL)
        holder, self._holder = self._holder, None
        if holder is None:
            return
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.close()  # its first process ends, and with it all that runs there
        try:
            holder.wait(60)
        except subprocess.TimeoutExpired:
            holder.kill()  # and `--kill-child` the rest
            holder.wait()
        holder.stdout.close()

    def run(
        self,
        argv: Sequence[str],
        *,
        namespace: str | None = None,
        check: bool = True,
        timeout: float = LONG,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end, on the host or in one of its named namespaces."""
        process = self._process(argv, namespace, env, input or "")
        try:
            status = process.wait(timeout)
        finally:
            process.stop(signal.SIGKILL)
        done = subprocess.CompletedProcess(list(argv), status, *process.texts())
        if check and status != 0:
            where = self.name if namespace is None else f"{self.name}, {namespace}"
            raise RuntimeError(f"{where}: `{' '.join(argv)}` ended with {status}:\n{done.stdout}{done.stderr}")
        return done

    def start(
        self, argv: Sequence[str], *, namespace: str | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        """Starts a program that ends with the host, if not before."""
        process = self._process(argv, namespace, env, "")
        self._started.append(process)
        return process

    def start_beside(self, argv: Sequence[str], namespace: str | None = None, input: str = "") -> Process:
        """A program of this machine that has the host's network and nothing else of it. It ends with the host."""
        net = f"/proc/{self.pid}/root/run/netns/{namespace}" if namespace else f"/proc/{self.pid}/ns/net"
        out, err = self._lab.file(".out"), self._lab.file(".err")
        process = Process(["nsenter", f"--net={net}", "--", *argv], out, err, ENVIRONMENT, input)
        self._started.append(process)
        return process

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        script = 'umask 022; mkdir -p "${1%/*}"; umask 077; cat >"$1"; chmod "$2" "$1"'
        self.run(["bash", "-c", script, "write", self._inside(path), f"{mode:o}"], input=text)

    def read(self, path: str) -> str:
        return self.run(["cat", path]).stdout

    def lay(self, files: Path) -> None:
        """Puts a compiled tree into place below /, instead of the one before, owned by root, as `install` does it."""
        entries = {str(path.relative_to(files)): path for path in sorted(files.rglob("*")) if not path.is_dir()}
        old = [self._inside(f"/{name}") for name in sorted(self._laid - set(entries))]
        if old:
            self.run(["rm", "-f", "--", *old])
        packed = self._lab.file(".tar")
        with tarfile.open(packed, "w") as archive:
            for name, path in entries.items():
                self._inside(f"/{name}")
                entry = archive.gettarinfo(path, name)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = "root"
                archive.addfile(entry, BytesIO(path.read_bytes()) if entry.isreg() else None)
        self.unpack(packed)
        self._laid = set(entries)

    def deliver(self, tree: Path, to: str) -> None:
        """A folder of this machine as a folder of the host, owned by root, in place of the one before."""
        packed = self._lab.file(".tar")
        with tarfile.open(packed, "w") as archive:
            for path in sorted(tree.rglob("*")):
                if path.is_dir():
                    continue
                entry = archive.gettarinfo(path, f"{self._inside(to)[1:]}/{path.relative_to(tree)}")
                entry.uid = entry.gid = 0
                archive.addfile(entry, BytesIO(path.read_bytes()))
        self.run(["rm", "-rf", to])
        self.unpack(packed)

    def plugged(self, interface: str, addresses: Sequence[str]) -> None:
        """An end of a wire has arrived."""
        self.run(["bash", "-ec", PLUGGED, "plugged", interface, *addresses])

    def settled(self, interface: str) -> None:
        """Until the link carries frames and its addresses can be used."""
        self.run(["bash", "-c", SETTLED, "settled", interface])

    def entering(self, argv: Sequence[str], namespace: str | None = None) -> list[str]:
        """The command that runs this one on the host."""
        there = [] if namespace is None else ["ip", "netns", "exec", namespace]
        return [*TIMELESS, "nsenter", f"--target={self.pid}", *self._spaces(), "--", *there, *argv]

    def _spaces(self) -> Sequence[str]:
        """The kinds of namespaces that are the host's own, as nsenter(1) names them."""
        return ("--mount", "--net", "--uts", "--pid")

    def _process(
        self, argv: Sequence[str], namespace: str | None, env: Mapping[str, str] | None, input: str
    ) -> Process:
        out, err = self._lab.file(".out"), self._lab.file(".err")
        return Process(self.entering(argv, namespace), out, err, ENVIRONMENT | dict(env or {}), input)

    def unpack(self, archive: Path) -> None:
        with archive.open("rb") as stdin:
            tar = self.entering(["tar", "--extract", "--no-overwrite-dir", "--directory=/"])
            subprocess.run(tar, stdin=stdin, env=ENVIRONMENT, check=True)

    def _inside(self, path: str) -> str:
        if not path.startswith(tuple(f"{layer}/" for layer in LAYERS)) or ".." in path.split("/"):
            raise ValueError(f"`{path}` is in none of the places that a host can write to: {', '.join(LAYERS)}")
        return path


class Switch(Host):
    """A host that only forwards frames."""

    def __init__(self, name: str, lab: Lab) -> None:
        super().__init__(name, lab)
        self._ports = count(1)

    def boot(self) -> None:
        super().boot()
        self.run(["ip", "link", "add", "dev", "bridge", "type", "bridge", "mcast_snooping", "0"])
        self.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"])
        self.run(["ip", "link", "set", "dev", "bridge", "up"])

    def plug(self, host: Host, interface: str, *addresses: str) -> None:
        """A cable from the host into this switch."""
        port = f"port{next(self._ports)}"
        self._lab.wire(host, interface, self, port, a_addresses=addresses)
        self.run(["ip", "link", "set", "dev", port, "master", "bridge"])
