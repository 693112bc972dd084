"""`netc import`: what is added compiles, nothing else changes, and a private key is in a file of its own alone."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from examples import EXAMPLES, Ran, netc
from netc.language.additions import NotAdded, added
from netc.language.x25519 import public_key

PRIVATE = "d3cHahhzAl0mwXwWwlGyZkW7HOjkobnPWcjvf2/J9Rk="
SHARED = "SHARED0aSHARED1bSHARED2cSHARED3dSHARED4e0Ro="
FAR = "cHJvdmlkZXItcHVibGljLWtleS1vZi10aGUtZXhhbXA="
PROVIDER = f"""\
[Interface]
PrivateKey = {PRIVATE}  # mine
Address = 10.9.0.2/32, fd00:9::2/128
DNS = 10.9.0.1
[Peer]
PublicKey = {FAR}
PresharedKey = {SHARED}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example.net:51820
PersistentKeepalive = 25
"""
HEAD = '# Mine.\nversion = 1\nnetwork.name = "x"\n'
FORMS = {
    "headers": HEAD + "[hosts.a]\nid = 1   # as it was\n",
    "headers and a tunnel": HEAD
    + '[hosts.a]\nid=1\n[hosts.a.tunnels.u]\nkind = "external"\nstart="/bin/x"\ninterface="x"\n',
    "braces": HEAD + "hosts.a = { id = 1 } # as it was\n",
    "a table of hosts": HEAD + "[hosts]\na = { id = 1, ssh = 2222 } # as it was\n",
    "dotted keys": HEAD
    + '[hosts.a]\nid = 1\ntunnels.u = { kind = "external", start = "/bin/x", interface = "x" } # as it was\n',
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Provider SE.conf").write_text(PROVIDER)
    return tmp_path


def taken(*words: str) -> Ran:
    return netc("import", "wg-quick", "Provider SE.conf", "topo.toml", *words)


@pytest.mark.parametrize("form", FORMS)
def test_a_provider_s_tunnel_is_added_in_place(form: str, here: Path) -> None:
    (here / "topo.toml").write_text(FORMS[form])
    ran = taken()
    text = (here / "topo.toml").read_text()
    tunnel = tomllib.loads(text)["hosts"]["a"]["tunnels"].pop("provider-se")

    assert (ran.code, ran.out.splitlines()[0]) == (0, "topo.toml: hosts.a.tunnels.provider-se added")
    assert tunnel["kind"] == "wireguard"
    assert tunnel["address"] == ["10.9.0.2/32", "fd00:9::2/128"]
    assert tunnel["peer"]["endpoint"] == "vpn.example.net:51820"
    assert tunnel["peer"]["keepalive"] == 25
    assert tunnel["peer"]["preshared_key"] == {"file": "/etc/netc/keys/provider-se.psk"}
    assert text.count("# Mine.") == 1
    assert text.count("# as it was") == FORMS[form].count("# as it was")
    assert netc("check", "topo.toml").code == 0
    if "headers" in form:
        assert text.startswith(FORMS[form])


def test_secrets_are_in_files_of_their_own_and_nowhere_else(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    ran = taken()
    keys = {str(path.relative_to(here)): path for path in (here / "keys").rglob("*") if path.is_file()}

    assert keys.keys() == {"keys/.gitignore", "keys/a/provider-se.key", "keys/a/provider-se.psk"}
    assert keys["keys/a/provider-se.key"].read_text() == PRIVATE + "\n"
    assert keys["keys/a/provider-se.psk"].read_text() == SHARED + "\n"
    assert keys["keys/.gitignore"].read_text() == "*\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.values() if path.name[0] != "."} == {0o600}
    assert stat.S_IMODE((here / "keys" / "a").stat().st_mode) == 0o700
    for said in (ran.out, ran.err, (here / "topo.toml").read_text()):
        assert PRIVATE not in said
        assert SHARED not in said
    assert "belongs in /etc/netc/keys/provider-se.key on a, mode 0600" in ran.out


def test_an_existing_key_is_not_overwritten(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "keys" / "a").mkdir(parents=True)
    (here / "keys" / "a" / "provider-se.psk").write_text("another\n")
    ran = taken()

    assert ran.code == 2
    assert "holds another key" in ran.err
    assert (here / "topo.toml").read_text() == FORMS["headers"]
    assert not (here / "keys" / "a" / "provider-se.key").exists()
    assert taken("--keys", "elsewhere").code == 0


@pytest.mark.parametrize(
    ("topo", "words", "code", "said"),
    [
        (FORMS["headers"], ("--name", "T" * 40), 2, "write another name: `--name`"),
        (FORMS["headers"], ("--host", "b"), 2, "no host is called 'b'"),
        (FORMS["headers"] + "[hosts.b]\nid = 2\n", (), 2, "name it: `--host H`"),
        (FORMS["headers and a tunnel"], ("--name", "u"), 2, "u exists already"),
        (FORMS["headers"] + 'addresses = "10.9.0.2/24"\n', (), 1, "error[NC0402]"),
        (FORMS["headers"] + "mut = 1\n", (), 1, "error[NC0101]"),
        (FORMS["headers"] + "mtu\n", (), 1, "error[NC0001]"),
    ],
)
def test_a_file_that_cannot_be_imported_changes_nothing(
    topo: str, words: tuple[str, ...], code: int, said: str, here: Path
) -> None:
    (here / "topo.toml").write_text(topo)
    ran = taken(*words)

    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert PRIVATE not in ran.err
    assert (here / "topo.toml").read_text() == topo
    assert not (here / "keys").exists()


@pytest.mark.parametrize("cut", ["PublicKey", "AllowedIPs", "[Interface]"])
def test_an_incomplete_provider_file_is_reported(cut: str, here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_text("".join(x for x in PROVIDER.splitlines(True) if not x.startswith(cut)))
    ran = taken()

    assert ran.code == 1
    assert "error[NC0121]" in ran.err
    assert PRIVATE not in ran.err
    assert (here / "topo.toml").read_text() == FORMS["headers"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_table_is_added_at_the_end_of_every_example(example: Path) -> None:
    text = example.read_text()
    host = next(iter(tomllib.loads(text)["hosts"]))
    made = added(text, ("hosts", host, "tunnels", "new"), {"kind": "sit", "remote": "192.0.2.1"})

    assert made.startswith(text)
    with pytest.raises(NotAdded):
        added(made, ("hosts", host, "tunnels", "new"), {})


# ---- wg-meshconf ---------------------------------------------------------------------------------------------


COLUMNS = (
    *("Name", "Address", "Endpoint", "AllowedIPs", "ListenPort", "PersistentKeepalive", "FwMark", "PrivateKey"),
    *("DNS", "MTU", "Table", "PreUp", "PostUp", "PreDown", "PostDown", "SaveConfig"),
)
"""As wg-meshconf 2.5.1 writes them, all quoted."""

KEYS = [PRIVATE, "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os=", "YWxsLWtleXMtb2YtdGhlLWV4YW1wbGVzLWFyZS1tYWQ="]


def line(**row: str) -> str:
    return ",".join(json.dumps(row.get(column, "")) for column in COLUMNS) + "\n"


def database(*rows: dict[str, str]) -> str:
    return line(**{column: column for column in COLUMNS}) + "".join(line(**row) for row in rows)


TOKYO = {"Name": "Tokyo 1", "Address": "10.1.0.1/16,fd01::1/64", "Endpoint": "tokyo.example.net", "PrivateKey": KEYS[0]}
PARIS = {"Name": "paris", "Address": "10.1.0.2/16,fd01::2/64", "Endpoint": "192.0.2.2", "PrivateKey": KEYS[1]}
NAT = {"Name": "nat", "Address": "10.1.1.0/16,fd01::100/64", "PrivateKey": KEYS[2], "ListenPort": "51820"}


def mesh(*rows: dict[str, str], topo: str | None = None) -> Ran:
    Path("lan.csv").write_text(database(*rows))
    if topo is not None:
        Path("topo.toml").write_text(topo)
    return netc("import", "wg-meshconf", "lan.csv", "topo.toml")


@pytest.mark.usefixtures("here")
def test_a_mesh_keeps_addresses_and_keys() -> None:
    ran = mesh(TOKYO, PARIS, NAT | {"MTU": "1400"})
    data = tomllib.loads(Path("topo.toml").read_text())

    assert (ran.code, ran.err) == (0, "")
    assert data["meshes"]["lan"] == {
        "hosts": ["tokyo-1", "paris", "nat"],
        "interfaces": "shared",
        "port": 51820,
        "mtu": 1400,
        "subnet": ["10.1.0.0/16", "fd01::/64"],
    }
    assert {name: host["id"] for name, host in data["hosts"].items()} == {"tokyo-1": 1, "paris": 2, "nat": 256}
    assert [host["endpoint"] for host in data["hosts"].values()] == ["tokyo.example.net", "192.0.2.2", False]
    assert [host["public_key"] for host in data["hosts"].values()] == [public_key(key) for key in KEYS]
    assert Path("keys/nat/host.key").read_text() == KEYS[2] + "\n"
    assert stat.S_IMODE(Path("keys/nat/host.key").stat().st_mode) == 0o600
    assert not any(key in text for key in KEYS for text in (ran.out, Path("topo.toml").read_text()))

    assert netc("build", "topo.toml").code == 0
    out = Path("out/nat/files/etc/netc")
    assert "10.1.1.0/16" in (out / "parts" / "mesh-lan" / "up").read_text()
    assert public_key(KEYS[0]) in (out / "wireguard" / "wg-lan.conf").read_text()


@pytest.mark.usefixtures("here")
def test_a_mesh_is_added_to_an_existing_topology() -> None:
    ran = mesh(TOKYO, PARIS, topo=HEAD + "[hosts.a]\nid = 7\n")

    assert ran.code == 0
    assert Path("topo.toml").read_text().startswith(HEAD + "[hosts.a]\nid = 7\n")


@pytest.mark.usefixtures("here")
def test_addresses_without_a_subnet_get_the_smallest_one() -> None:
    ran = mesh(
        *(
            {"Name": n, "Address": f"10.1.0.{i}/32", "PrivateKey": KEYS[i - 1]} | {"Endpoint": n}
            for i, n in ((1, "a"), (3, "b"))
        )
    )

    assert (ran.code, ran.err) == (0, "")
    assert tomllib.loads(Path("topo.toml").read_text())["meshes"]["lan"]["subnet"] == ["10.1.0.0/29"]


@pytest.mark.usefixtures("here")
def test_settings_that_a_mesh_has_no_key_for_are_reported() -> None:
    ran = mesh(TOKYO, PARIS | {"AllowedIPs": "10.50.0.0/16", "PostUp": "true", "ListenPort": "51821"}, NAT)

    assert ran.code == 0
    left = "not imported: AllowedIPs of paris, PostUp of paris, ListenPort 51821 of paris (the mesh has 51820)\n"
    assert ran.err == left


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([TOKYO], "a mesh needs at least two hosts"),
        ([TOKYO, PARIS | {"Name": "tokyo-1"}], "line 3: a second host is called tokyo-1"),
        ([TOKYO, PARIS | {"Name": "?"}], "line 3: an empty string is not a host's name"),
        ([TOKYO, PARIS | {"Address": "10.1.0.2"}], "line 3: `10.1.0.2` has no prefix length"),
        ([TOKYO, PARIS | {"Address": "10.1.0.2/16"}], "paris has no single IPv6 address"),
        ([TOKYO, PARIS | {"Address": "10.1.0.2/16,fd01::7/64"}], "fd01::7 of paris does not end in 2"),
        ([TOKYO, PARIS | {"Address": "10.1.200.2/16,fd01::c802/64"}], "ids end at 4094"),
        (
            [TOKYO, PARIS | {"PrivateKey": "c2hvcnQ="}],
            "line 3: the private key of paris: it is not the base64 of 32 bytes",
        ),
        ([TOKYO, PARIS | {"Endpoint": "https://x"}], "line 3: `https://x` is a URL"),
        ([TOKYO, PARIS | {"ListenPort": "0"}], "line 3: `0` is not a port"),
    ],
)
def test_a_mesh_that_a_topology_cannot_express_is_refused(rows: list[dict[str, str]], said: str) -> None:
    ran = mesh(*rows)

    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert not any(key in ran.err for key in KEYS)
    assert not Path("topo.toml").exists()
    assert not Path("keys").exists()


@pytest.mark.usefixtures("here")
def test_an_unknown_csv_file_is_refused() -> None:
    Path("lan.csv").write_text("a,b\n1,2\n")
    ran = netc("import", "wg-meshconf", "lan.csv", "topo.toml")

    assert ran.code == 1
    assert "name a database of wg-meshconf" in ran.err


def test_a_public_key_is_derived_as_in_rfc_7748() -> None:
    """RFC 7748, section 6.1: Alice's."""
    private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="

    assert public_key(private) == "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="


def test_a_file_in_utf_16_is_refused_with_a_command_that_converts_it(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_bytes(PROVIDER.encode("utf-16"))
    ran = taken()

    assert ran.code == 1
    assert "`Provider SE.conf` is UTF-16, and netc reads UTF-8" in ran.err
    assert "iconv -f UTF-16 -t UTF-8 'Provider SE.conf'" in ran.err
    assert PRIVATE not in ran.err


def test_a_name_too_long_for_an_interface_gets_a_hint_with_name(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "se-got-wg-001.conf").write_text(PROVIDER)
    ran = netc("import", "wg-quick", "se-got-wg-001.conf", "topo.toml")

    assert ran.code == 2
    assert "`wg-se-got-wg-001` has 16 characters" in ran.err
    assert "a name of at most 12 characters: `--name`" in ran.err
    assert netc("import", "wg-quick", "se-got-wg-001.conf", "topo.toml", "--name", "se").code == 0


def test_an_mtu_too_large_for_the_uplink_is_left_out(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_text(
        PROVIDER.replace("[Peer]", "MTU = 1450\n[Peer]").replace("vpn.example.net", "192.0.2.9")
    )
    ran = taken()

    assert ran.code == 0
    assert "MTU is not imported: mtu 1450 > 1440 = 1500 (uplink of a) - 60 (wireguard over IPv4)" in ran.err
    assert "mtu" not in tomllib.loads((here / "topo.toml").read_text())["hosts"]["a"]["tunnels"]["provider-se"]


def test_an_ignored_setting_is_reported_at_its_line(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_text(PROVIDER.replace("[Peer]", "Table = off\n[Peer]"))
    ran = taken()

    assert ran.code == 0
    assert "--> Provider SE.conf:5:1\n" in ran.err


def test_a_key_that_is_none_is_not_imported(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    for wrong in (f"AA{PRIVATE}", PRIVATE[1:]):
        (here / "Provider SE.conf").write_text(PROVIDER.replace(PRIVATE, wrong))
        ran = taken()

        assert ran.code == 2
        assert f"PrivateKey has {len(wrong)} characters and is not 32 bytes in base64" in ran.err
        assert PRIVATE[1:] not in ran.err
        assert not (here / "keys").exists()
        assert (here / "topo.toml").read_text() == FORMS["headers"]


def test_a_missing_key_is_told(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_text(PROVIDER.replace(PRIVATE, "<your key>"))
    ran = taken()

    assert ran.code == 0
    assert "has no PrivateKey: write the tunnel's key into /etc/netc/keys/provider-se.key on a" in ran.err


def test_a_file_of_openvpn_is_named_as_such(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_text("client\ndev tun\nremote vpn.example.net 1194\n")
    ran = taken()

    assert ran.code == 1
    assert 'it is a file of OpenVPN: let openvpn make the tunnel, and write `kind = "external"`' in ran.err


def test_an_ipv6_endpoint_without_brackets_gets_them(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_text(PROVIDER.replace("vpn.example.net:51820", "2001:db8::5:51820"))
    ran = taken()

    assert ran.code == 1
    assert "write `[2001:db8::5]:51820`" in ran.err


def test_utf_16_without_a_mark_is_named_and_not_shown(here: Path) -> None:
    (here / "topo.toml").write_text(FORMS["headers"])
    (here / "Provider SE.conf").write_bytes(PROVIDER.encode("utf-16-be"))
    ran = taken()

    assert ran.code == 1
    assert "iconv -f UTF-16BE" in ran.err
    assert PRIVATE[:4] not in ran.err.replace("\\x00", "")
