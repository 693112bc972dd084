"""`netc bundle`: one file a host, the same wherever it is made, and signed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from examples import EXAMPLES, ROOT, compiled, netc, tree
from netc.emit.bundle import STORED, bundle
from netc.emit.file import File

MESH = ROOT / "examples" / "mesh.toml"
BUNDLE_ALL = """
import os, sys
from netc.cli import app
os.umask(int(sys.argv[1]))
for topo in sys.argv[2:]:
    app(args=["bundle", topo, "-o", os.path.basename(topo)], standalone_mode=False)
"""


def bundled(folder: Path, umask: int, **environment: str) -> dict[str, bytes]:
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", BUNDLE_ALL, str(umask), *map(str, EXAMPLES)],
        cwd=folder,
        check=True,
        capture_output=True,
        env=os.environ | environment,
    )
    return {path: data for path, (_, data) in tree(folder).items()}


def test_a_bundle_does_not_depend_on_place_time_or_user(tmp_path: Path) -> None:
    one = bundled(tmp_path / "one", 0o022, PYTHONHASHSEED="1", TZ="UTC", USER="root", LANG="C.UTF-8")
    other = bundled(tmp_path / "two", 0o077, PYTHONHASHSEED="2", TZ="Asia/Tokyo", USER="zz-me", LANG="tr_TR.UTF-8")

    assert len(one) > len(EXAMPLES)
    assert one == other


@pytest.mark.parametrize("size", [0, 1, STORED - 1, STORED, STORED + 1, 5 * STORED])
def test_other_programs_can_unpack_a_bundle(size: int, tmp_path: Path) -> None:
    files = (File("MANIFEST", "x" * size), File("files/a", "b\n", 0o755), File("d/" + "e" * 120 + "/" + "f" * 100, "ü"))
    path = tmp_path / "x.tar.gz"
    path.write_bytes(bundle(files))
    subprocess.run(["gzip", "--test", path], check=True)
    subprocess.run(["tar", "-xzf", path, "-C", tmp_path], check=True)

    assert {file.path: (tmp_path / file.path).read_text() for file in files} == {f.path: f.text for f in files}
    with tarfile.open(fileobj=io.BytesIO(bundle(files))) as archive:
        entries = archive.getmembers()
    assert [entry.name for entry in entries] == sorted(file.path for file in files)
    assert {(e.mtime, e.uid, e.gid, e.uname, e.gname) for e in entries} == {(0, 0, 0, "", "")}


def test_the_bytes_of_a_bundle_do_not_depend_on_libraries() -> None:
    """The first bundle ever made of these files: whatever Python and zlib there are."""
    made = bundle((File("install", "x\n", 0o755), File("MANIFEST", "y\n")))
    assert sha256(made).hexdigest() == "773202e77ff546d4312a8ed841f65d0271ad6c4c22fe20c6ff76cf2e08992601"


def test_a_bundle_holds_what_build_writes(tmp_path: Path) -> None:
    ran = netc("bundle", MESH, "-o", tmp_path, "--host", "ams")
    assert (ran.code, ran.out) == (0, f"{tmp_path}: 1 written, not signed\n")
    with tarfile.open(tmp_path / "ams.tar.gz") as archive:
        held = {entry.name: (entry.mode, archive.extractfile(entry).read()) for entry in archive}  # type: ignore[union-attr]
    assert held == {file.path: (file.mode, file.text.encode()) for file in compiled(MESH.read_text())["ams"]}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    return tmp_path / "key"


def test_a_signature_is_valid_for_these_bytes_only(key: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert netc("bundle", MESH, "-o", out, "--key", key).code == 0
    signers = tmp_path / "signers"
    signers.write_text(f"netc {key.with_suffix('.pub').read_text()}")
    verify = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "netc", "-n", "netc", "-s", out / "ams.tar.gz.sig"]
    data = (out / "ams.tar.gz").read_bytes()
    assert subprocess.run(verify, input=data, capture_output=True, check=False).returncode == 0
    assert subprocess.run(verify, input=data + b"x", capture_output=True, check=False).returncode != 0

    assert netc("bundle", MESH, "-o", out).code == 0
    assert not list(out.glob("*.sig")), "a signature outlives what it signed"


def test_a_key_that_cannot_sign_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nonsense")
    for name, words in (("key", "cannot sign"), ("absent", "is not a key file")):
        ran = netc("bundle", MESH, "-o", tmp_path / "out", "--key", tmp_path / name)
        assert ran.code == 2
        assert words in ran.err
        assert not (tmp_path / "out").exists()
