"""Keeps what one commit of netc compiles, for the releases after it: `tests/upgrade/<commit>/`, never changed again.

    python tests/upgrade/keep.py [COMMIT]    by default HEAD: it is checked out, and built by its own `netc build`

`trees.tar.xz` holds for each topology its text, the files that this names, and `out/<host>/`; `RELEASE` holds the
commit and the version.
"""

from __future__ import annotations

import io
import lzma
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
EXAMPLES = ("start", "slim-edge", "seedbox", "laptop-iptables", "dn42", "uplinks", "mesh")
"""With `topologies/` they have every kind of part."""

BESIDE = ("azire-se.conf", "china-ip-list.txt")
NETC = "from netc.cli import main; main()"


def git(*words: str) -> str:
    return subprocess.run(["git", "-C", REPOSITORY, *words], check=True, capture_output=True, text=True).stdout.strip()


def topologies(checkout: Path) -> list[Path]:
    """Examples as that commit has them, and the ones that are there for this alone."""
    return [*(checkout / f"examples/{name}.toml" for name in EXAMPLES), *sorted((HERE / "topologies").glob("*.toml"))]


def build(checkout: Path, topology: Path, folder: Path) -> None:
    """By the compiler of the checkout: `folder` is then as it is kept."""
    folder.mkdir()
    text = topology.read_text()
    (folder / "topo.toml").write_text(text)
    for name in BESIDE:
        if name in text:
            (folder / name).write_bytes((topology.parent / name).read_bytes())
    there = os.environ | {"PYTHONPATH": str(checkout / "compiler"), "XDG_CACHE_HOME": str(checkout / ".cache")}
    words = [sys.executable, "-c", NETC, "build", "topo.toml", "-o", "out"]
    subprocess.run(words, cwd=folder, env=there, check=True, stdout=subprocess.DEVNULL)


def packed(folder: Path) -> bytes:
    """Plain files by path, of nobody and of no time."""
    said = io.BytesIO()
    with tarfile.open(fileobj=said, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                continue
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            entry.size, entry.mode = path.stat().st_size, 0o755 if os.access(path, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(path.read_bytes()))
    return lzma.compress(said.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def keep(commit: str) -> Path:
    """The folder, which is new. Raises FileExistsError, or CalledProcessError of git or of that commit's netc."""
    with TemporaryDirectory() as temporary:
        checkout, trees = Path(temporary, "checkout"), Path(temporary, "trees")
        git("worktree", "add", "--quiet", "--detach", str(checkout), commit)
        try:
            trees.mkdir()
            for topology in topologies(checkout):
                build(checkout, topology, trees / topology.stem)
            words = [sys.executable, "-c", "import netc; print(netc.__version__)"]
            there = os.environ | {"PYTHONPATH": str(checkout / "compiler")}
            version = subprocess.run(words, env=there, check=True, capture_output=True, text=True).stdout.strip()
        finally:
            git("worktree", "remove", "--force", str(checkout))
        kept = HERE / git("rev-parse", "--short=7", commit)
        kept.mkdir()
        (kept / "trees.tar.xz").write_bytes(packed(trees))
    whole = git("rev-parse", commit)
    (kept / "RELEASE").write_text(f'commit = "{whole}"\nversion = "{version}"\n')
    return kept


if __name__ == "__main__":
    print(keep(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
