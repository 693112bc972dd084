"""`netc import host` with a stand-in for ssh, which says what the test wants. `tests/live/test_import_host.py` asks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

SSH = """#!/bin/sh
cat >/dev/null
cat "$(dirname "$0")/said"
cat "$(dirname "$0")/whispered" >&2 2>/dev/null
exit "$(cat "$(dirname "$0")/status" 2>/dev/null || echo 0)"
"""
SAID = """\
link	lo	65536	-
link	ens3	1450	-
link	wg0	1420	wireguard
link	br0	1500	bridge
address	ens3	198.51.100.7/24	scope 0 dynamic ens3
address	ens3	2001:db8:7::7/64	scope 0
address	ens3	2001:db8:7::abcd/64	scope 0 dynamic mngtmpaddr noprefixroute
address	ens3	2001:db8:7::99/64	scope 0 temporary dynamic
address	br0	172.17.0.1/16	scope 0 br0
default	4	wg0	-	3	0
default	4	ens3	198.51.100.1	16	100
default	6	ens3	fe80::1	9	1024
ssh	2222
system	"Debian GNU/Linux 13 (trixie)"
file	/etc/wireguard/wg0.conf
"""
LOOPBACK = "link\tlo\t65536\t-\n"
KEY = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="


def imported(folder: Path, said: str, *options: str, name: str = "edge") -> subprocess.CompletedProcess[str]:
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    (folder / "said").write_text(said)
    words = [sys.executable, "-c", "from netc.cli import main; main()", "import", "host", name, "topo.toml"]
    words += ["--ssh", str(folder / "ssh"), *options]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)


def table(folder: Path, name: str = "edge") -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "topo.toml").read_text())["hosts"][name]
    return found


def test_a_host_becomes_a_table_to_start_from(tmp_path: Path) -> None:
    said = imported(tmp_path, SAID)
    assert (said.returncode, said.stdout) == (0, "topo.toml: hosts.edge added\n"), said.stderr
    text = (tmp_path / "topo.toml").read_text()
    assert table(tmp_path) == {
        "id": 1,
        "wan": "ens3",
        "mtu": 1450,
        "addresses": ["198.51.100.7/24", "2001:db8:7::7/64"],
        "ssh": 2222,
    }
    assert "# The router of ens3 is 198.51.100.1, by DHCP." in text
    assert "# The router of ens3 is fe80::1, by router advertisements." in text
    assert "# 198.51.100.7/24 is not for ever" in text
    assert "No address of the host is public" not in text
    for left in (
        "address 2001:db8:7::99/64",
        "interface wg0 wireguard",
        "interface br0 bridge 172.17.0.1/16",
        "trixie",
    ):
        assert left in said.stderr
    build = [sys.executable, "-c", "from netc.cli import main; main()", "check", "topo.toml"]
    assert subprocess.run(build, cwd=tmp_path, check=False).returncode == 0


def test_a_second_host_gets_the_next_id_and_nothing_else_changes(tmp_path: Path) -> None:
    first = "# mine\nversion = 1\nnetwork.name = 'lab'\nhosts.one = { id = 1 } # here\n"
    (tmp_path / "topo.toml").write_text(first)
    assert imported(tmp_path, SAID).returncode == 0
    text = (tmp_path / "topo.toml").read_text()
    assert (table(tmp_path)["id"], text.startswith("# mine\n"), "{ id = 1 } # here" in text) == (2, True, True)
    again = imported(tmp_path, SAID)
    assert (again.returncode, "hosts.edge exists already" in again.stderr) == (2, True)
    assert (tmp_path / "topo.toml").read_text() == text


def test_a_host_behind_nat_is_told_what_peers_need(tmp_path: Path) -> None:
    lines = "link\teth0\t1460\t-\ndefault\t4\teth0\t10.0.0.1\t16\t0\naddress\teth0\t10.0.0.7/32\t\n"
    assert imported(tmp_path, lines).returncode == 0
    assert "# No address of the host is public: set `endpoint`" in (tmp_path / "topo.toml").read_text()


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        ("link\teth0\t1500\t-\ndefault\t4\teth0\t192.0.2.1\t4\t0\n", "mtu", None),
        ("link\teth0\t9001\t-\ndefault\t4\teth0\t192.0.2.1\t4\t0\n", "mtu", None),
        ("link\teth0\t1500\t-\ndefault\t4\teth0\t192.0.2.1\t4\t0\nssh\t22\nssh\t2222\n", "ssh", None),
        ("link\teth0\t1500\t-\ndefault\t6\teth0\tfe80::1\t9\t0\n", "wan", "eth0"),
        ("link\twg0\t1500\twireguard\ndefault\t4\twg0\t-\t3\t0\n", "wan", None),
        ("default\t4\tgone\t-\t3\t0\n", "wan", None),
        (LOOPBACK, "wan", None),
        (  # only a stateless address
            "link\te0\t1500\t-\ndefault\t6\te0\tfe80::1\t9\t0\naddress\te0\t2001:db8::a/64\tdynamic mngtmpaddr\n",
            "addresses",
            ["2001:db8::a/64"],
        ),
        (  # one address with two lengths
            "link\te0\t1500\t-\ndefault\t4\te0\t192.0.2.1\t3\t0\naddress\te0\t192.0.2.7/24\t\naddress\te0\t192.0.2.7/32\t\n",
            "addresses",
            ["192.0.2.7/24"],
        ),
        ("link\te0\t1500\t-\ndefault\t4\te0\t-\t3\t5\nlink\te1\t1500\t-\ndefault\t4\te1\t-\t3\t1\n", "wan", "e1"),
    ],
)
def test_what_is_written_of_what_the_host_has(tmp_path: Path, lines: str, key: str, value: object) -> None:
    said = imported(tmp_path, LOOPBACK + lines)
    assert said.returncode == 0, said.stderr
    assert table(tmp_path).get(key) == value


def test_an_address_that_cannot_be_a_hosts_is_listed_and_all_else_is_written(tmp_path: Path) -> None:
    odd = ("192.0.2.0/24", "192.0.2.255/24", "0.0.0.0/0", "224.0.0.1/24", "127.0.0.5/8")
    lines = "".join(f"address\teth0\t{address}\t\n" for address in (*odd, "192.0.2.7/24"))
    said = imported(tmp_path, f"link\teth0\t1400\t-\ndefault\t4\teth0\t192.0.2.1\t3\t0\n{lines}ssh\t2222\n")
    assert said.returncode == 0, said.stderr
    written = {"id": 1, "wan": "eth0", "mtu": 1400, "addresses": ["192.0.2.7/24"], "ssh": 2222}
    assert table(tmp_path) == written
    assert [address for address in odd if f" {address}" not in said.stderr] == []


HOSTILE = [
    'link\teth0"\nwan = "x\t1500\t-\ndefault\t4\teth0"\t-\t3\t0\n',
    "link\te\x1b[31m\t1500\t-\ndefault\t4\te\x1b[31m\t-\t3\t0\naddress\te\x1b[31m\t192.0.2.1/24\t\n",
    "link\teth0\t99999999999999999999\t-\ndefault\t4\teth0\t192.0.2.1\t3\t99999999999999999999999\n",
    "link\teth0\t-5\t-\ndefault\t4\teth0\t192.0.2.1\\nx\t3\t0\naddress\teth0\t192.0.2.1/99\t\naddress\teth0\tx\t\n",
    "link\teth0\t²\t-\ndefault\t4\teth0\t192.0.2.1\t3\t²\nssh\t²\n",
    "ssh\t99999999\nssh\t0\nssh\t-1\nssh\t22; rm -rf /\n",
    "link\ta-name-that-is-too-long-for-linux\t1500\t-\ndefault\t4\ta-name-that-is-too-long-for-linux\t-\t3\t0\n",
    "link\teth0\t1500\t-\ndefault\t4\teth0\t192.0.2.1\t3\t0\n" + "address\teth0\t192.0.2.1/24\t\n" * 5000,
    "::set-output name=x::y\n\x00\x07\r\nlink\n\t\t\t\t\n" * 50,
    "system\t" + "x" * 100_000 + "\n",
    f"file\tPrivateKey = {KEY}\nsystem\tpassword = hunter22\n{KEY}\nPresharedKey={KEY}\n\tpassword: hunter22\n",
    f"link\teth0\t1500\t-\ndefault\t4\teth0\t192.0.2.1\t3\t0\naddress\teth0\tpassword=hunter22\t\nssh\t{KEY}\n",
    "".join(f"file\t/etc/{n}\n" for n in range(5000)),
]


@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_host_writes_nothing_but_what_passes_its_type(tmp_path: Path, said: str) -> None:
    (tmp_path / "whispered").write_text(f"\x1b[2J{said[:2000]}")
    done = imported(tmp_path, LOOPBACK + said)
    printed = done.stdout + done.stderr
    assert not any(not letter.isprintable() and letter != "\n" for letter in printed)
    assert (KEY in printed, "hunter22" in printed, "Traceback" in printed) == (False, False, False)
    # `:::` begins another place of a diagnostic, and no command of a CI runner.
    assert not any(re.match(r"\s*::(?!:)", line) for line in printed.splitlines())
    assert len(printed) < 70_000
    if done.returncode == 0:
        text = (tmp_path / "topo.toml").read_text()
        assert (KEY in text, "hunter22" in text, text.isascii(), len(text) < 10_000) == (False, False, True, True)
        assert table(tmp_path).keys() <= {"id", "wan", "mtu", "addresses", "ssh"}
        assert table(tmp_path).get("wan", "eth0") == "eth0"
        assert table(tmp_path).get("ssh", 22) == 22
    else:
        assert not (tmp_path / "topo.toml").exists()


def test_a_host_that_does_not_answer_or_has_too_much_to_say_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("255")
    (tmp_path / "whispered").write_text("ssh: no route\n")
    done = imported(tmp_path, "")
    assert (done.returncode, "edge does not answer: ssh: no route" in done.stderr) == (1, True)
    (tmp_path / "status").write_text("0")
    done = imported(tmp_path, "")
    assert (done.returncode, "edge does not answer: it names no interface" in done.stderr) == (1, True)
    done = imported(tmp_path, "file\tx\n" * 2**20)
    assert (done.returncode, "wrote more than 4 MiB" in done.stderr) == (1, True)
    assert not (tmp_path / "topo.toml").exists()


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "all", "A b", "x;y", ""])
def test_a_name_that_is_none_is_wrong_use_and_nobody_is_asked(tmp_path: Path, name: str) -> None:
    done = imported(tmp_path, SAID, name=name) if not name.startswith("-") else imported(tmp_path, SAID, "--", name)
    assert done.returncode == 2
    assert not (tmp_path / "topo.toml").exists()
