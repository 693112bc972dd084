"""`netc-host install FILE.tar.gz` and `netc-host back`: what a host takes, from whom, and what it goes back to."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from examples import compiled as files_of
from live.delivered import netc_host, token
from live.lab import Host, Lab
from netc.cli.bundle import signature
from netc.emit.bundle import bundle
from netc.emit.file import File

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "lab"
hosts.edge = { id = 1, wan = "eth0", addresses = "198.51.100.10/24" }
hosts.node = { id = 2, wan = "eth0", addresses = "198.51.100.20/24" }
links.one = { kind = "vxlan", between = ["edge", "node"] }
"""
MORE = (
    TOPOLOGY
    + """
hosts.more = { id = 3, addresses = "198.51.100.30/24" }
links.two = { kind = "vxlan", between = ["edge", "more"] }
"""
)


@pytest.fixture
def edge(lab: Lab) -> Host:
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    return edge


@pytest.fixture
def key(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    return tmp_path / "key"


def bring(host: Host, lab: Lab, data: bytes, sig: bytes | None = None) -> None:
    """The file, and a tree whose netc-host is there before anything is installed."""
    packed = lab.file(".tar")
    first = {f"tmp/first/{f.path}": f.text.encode() for f in files_of(TOPOLOGY)["edge"]}
    given = {**first, "tmp/edge.tar.gz": data, **({"tmp/edge.tar.gz.sig": sig} if sig else {})}
    with tarfile.open(packed, "w") as archive:
        for name, content in given.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    host.run(["rm", "-f", "/tmp/edge.tar.gz.sig"])
    host.unpack(packed)


def install(host: Host, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    words = ["bash", "/tmp/first/files/usr/local/sbin/netc-host", "install", "/tmp/edge.tar.gz", *options]
    return host.run(words, check=check)


def links(host: Host) -> set[str]:
    said = host.run(["ip", "-o", "link"]).stdout.split()
    return {word.rstrip(":") for word in said if word.startswith("vx-")}


def left_over(host: Host) -> str:
    return host.run(["find", "/var/tmp", "-name", "netc-*"]).stdout


def test_a_bundle_is_installed_and_rolled_back(lab: Lab, edge: Host) -> None:
    bring(edge, lab, bundle(files_of(TOPOLOGY)["edge"]))
    install(edge, "--commit")
    assert links(edge) == {"vx-node"}
    before = edge.run(["readlink", "/var/lib/netc/current"]).stdout

    bring(edge, lab, bundle(files_of(MORE)["edge"]))
    said = install(edge, "--detach")
    edge.run(["/usr/local/sbin/netc-host", "confirm", "-"], input=f"{token(said)}\n")
    assert links(edge) == {"vx-node", "vx-more"}

    edge.run(["chmod", "600", "/etc/netc/parts/link-two/up"])
    assert "changed by hand" in netc_host(edge, "back", check=False).stderr
    edge.run(["chmod", "755", "/etc/netc/parts/link-two/up"])
    said = netc_host(edge, "back", "--detach")
    netc_host(edge, "confirm", token(said))
    assert links(edge) == {"vx-node"}
    assert edge.run(["readlink", "/var/lib/netc/current"]).stdout == before
    assert netc_host(edge, "back", "0123456789abcdef", check=False).returncode == 1
    assert netc_host(edge, "back", "../../etc", check=False).returncode == 1

    netc_host(edge, "back", "none")
    assert links(edge) == set()
    assert left_over(edge) == ""


def test_a_host_with_allowed_signers_accepts_only_their_bundles(
    lab: Lab, edge: Host, key: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    data = bundle(files_of(TOPOLOGY)["edge"])
    edge.write("/etc/netc/allowed_signers", f"netc {key.with_suffix('.pub').read_text()}")
    for what, sig in (
        ("missing", None),
        ("another's", signature(data, other)),
        ("of another file", signature(data + b"x", key)),
        ("nonsense", b"nonsense"),
    ):
        bring(edge, lab, data, sig)
        said = install(edge, "--commit", check=False)
        assert said.returncode == 1, what
        assert "is not signed by anyone in /etc/netc/allowed_signers; nothing was changed" in said.stderr
    assert links(edge) == set()
    assert edge.run(["test", "-e", "/var/lib/netc"], check=False).returncode == 1

    bring(edge, lab, data, signature(data, key))
    install(edge, "--commit")
    assert links(edge) == {"vx-node"}
    assert left_over(edge) == ""

    bare = edge.run(["bash", "/tmp/first/install", "--overwrite", "--commit"], check=False)
    assert (bare.returncode, "accepts only signed bundles" in bare.stderr) == (1, True)


def raw(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file in files_of(TOPOLOGY)["edge"]:
            add(archive, tarfile.TarInfo(file.path), file.text.encode())
        for entry, data in entries:
            add(archive, entry, data)
    return packed.getvalue()


def add(archive: tarfile.TarFile, entry: tarfile.TarInfo, data: bytes) -> None:
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


WRONG = {
    "an absolute path": entry("/etc/evil"),
    "a way out": entry("files/../../../etc/evil"),
    "a way out at the end": entry("files/.."),
    "a link": entry("files/evil", tarfile.SYMTYPE, "/etc"),
    "a hard link": entry("files/evil", tarfile.LNKTYPE, "install"),
    "a device": entry("files/evil", tarfile.CHRTYPE),
    "a pipe": entry("files/evil", tarfile.FIFOTYPE),
    "a folder": entry("files/evil", tarfile.DIRTYPE),
    "a line that looks like two": entry("files/evil\n-rw-r--r-- 0/0 1 1970-01-01 00:00 x"),
    "a mode of root": entry("files/evil", mode=0o4755),
}


def test_an_archive_that_is_no_tree_is_not_unpacked(lab: Lab, edge: Host) -> None:
    for what, wrong in WRONG.items():
        bring(edge, lab, raw((wrong, b"")))
        said = install(edge, "--commit", check=False)
        assert (said.returncode, "is not a bundle of netc; nothing was changed" in said.stderr) == (1, True), what
    good = bundle(files_of(TOPOLOGY)["edge"])
    for altered in (b"", good[:-1], good[: len(good) // 2], good.replace(b"link-one", b"link-two"), good + b"x"):
        bring(edge, lab, altered)
        assert install(edge, "--commit", check=False).returncode == 1
    forged = tuple(
        File(f.path, f.text + "# more\n", f.mode) if f.path == "install" else f for f in files_of(TOPOLOGY)["edge"]
    )
    bring(edge, lab, bundle(forged))
    said = install(edge, "--commit", check=False)
    assert "this tree is not as it was compiled" in said.stderr
    assert links(edge) == set()
    assert edge.run(["test", "-e", "/etc/evil"], check=False).returncode == 1
    assert left_over(edge) == ""

    bring(edge, lab, raw())
    install(edge, "--commit")
    assert links(edge) == {"vx-node"}
