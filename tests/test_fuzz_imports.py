"""Claims about files of other programs: `netc import` ends soon with 0, 1 or 2, and never with a traceback."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

import night
from examples import ROOT, netc
from mutants import NFT, PATHS, SHELL
from test_fuzz import SECONDS, within
from test_import import HEAD, NAT, PARIS, TOKYO, database

CHUNKS, IMPORTS = 10, 5_000
PROVIDER = (ROOT / "examples" / "azire-se.conf").read_bytes()
MESH = database(TOKYO, PARIS, NAT).encode()
HOST = HEAD + '[hosts.a]\nid = 1\nwan = "eth0"\n'
PIECES = (
    *(
        b"\n",
        b"\r",
        b"[Peer]\n",
        b"[Interface]",
        b"= =",
        b"/",
        b",",
        b'"',
        b'""',
        b"\xff",
        b"\x00",
        b"\x1b[2J",
        b"\n::error::x",
    ),
    *(
        b"9" * 5000,
        b"9" * 140_000,
        b"0.0.0.0/0",
        b"::/0",
        b"fe80::1%eth0",
        b"\xef\xbb\xbf",
        b"PrivateKey = x",
        b"##[error]x",
    ),
    *(word.encode() for word in (*SHELL, *NFT, *PATHS)),
)


def spoiled(original: bytes, draw: random.Random) -> bytes:
    """With pieces, lines and bytes put in, taken out, doubled or exchanged."""
    data = bytearray(original)
    for _ in range(draw.choice((1, 1, 2, 5, 30))):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(5):
            case 0:
                data[at : at + draw.choice((0, 1, 9))] = draw.randbytes(3)
            case 1:
                lines = data.splitlines(keepends=True) or [bytearray()]
                lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))
                data = bytearray(b"").join(lines)
            case 2:
                del data[at : at + draw.choice((1, 10, 100))]
            case 3:  # in the place of a value
                values = list(re.finditer(rb"(?<=[ \"=,])[^ \"=,\n]+", data)) or [re.compile(b"").match(data)]
                if value := draw.choice(values):
                    data[value.start() : value.end()] = draw.choice(PIECES)
            case _:
                data[at:at] = draw.choice(PIECES)
    return bytes(data)


def imported(seed: str, folder: Path) -> int:
    draw = random.Random(seed)
    verb, original = draw.choice((("wg-quick", PROVIDER), ("wg-meshconf", MESH)))
    file, topo = folder / f"{seed}.conf", folder / f"{seed}.toml"
    file.write_bytes(data := spoiled(original, draw))
    topo.write_text(HOST)
    try:
        with within(SECONDS * (1 + 2 * len(data) / 1e6)):
            ran = netc("import", verb, file, topo, "--keys", folder / f"{seed}.keys", "--name", "se")
        assert ran.code in (0, 1, 2)
        assert all(c.isprintable() or c == "\n" for c in ran.out + ran.err), ran.out + ran.err
        assert not re.search(r"(?m)^\s*::\w|##\[|##vso\[", ran.out + ran.err), ran.out + ran.err
        assert (topo.read_text() == HOST) == (ran.code != 0)
        if ran.code == 0:
            assert netc("check", topo).code == 0
    except Exception as error:
        error.add_note(f"seed {seed}: netc import {verb} {data[:4000]!r}")
        raise
    return ran.code


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_spoiled_file_crashes_an_import(chunk: int, tmp_path: Path) -> None:
    """The seed of one that fails is told."""
    codes = [imported(f"{night.seed()}-{chunk}-{n}", tmp_path) for n in range(night.number(IMPORTS) // CHUNKS)]
    print(json.dumps({code: codes.count(code) for code in sorted(set(codes))}))


def test_spoiled_files_are_of_all_kinds(tmp_path: Path) -> None:
    codes = [imported(f"kinds-{n}", tmp_path) for n in range(120)]
    assert {codes.count(code) >= 4 for code in (0, 1)} == {True}, codes
