"""Claims about secrets that stand where none may stand: whatever is shown of a text, they are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.diagnostic import Diagnostic, Place
from netc.language.secrets import is_secret_key, masked, without_keys
from netc.report.text import render

KEY = "TOPSECRET0aTOPSECRET1bTOPSECRET2cTOPSECRET3="


@pytest.mark.parametrize(
    "text",
    [
        f'private_key = "{KEY}"',
        "private_key = 'TOPSECRET'",
        'private_key = "TOPSECRET',
        "private_key = TOPSECRET",
        'private_key: "TOPSECRET"',
        'private_key = """\nTOPSECRET\nTOPSECRET"""\n',
        "private_key = '''TOPSECRET",
        'private_key = "a\\"TOPSECRET"',
        'private_key = ["TOPSECRET",\n  "TOPSECRET"]',
        'private_key = { value = "TOPSECRET" }',
        f'private_key = {{ file = "{KEY}" }}',
        'private_key.value = "TOPSECRET"',
        '"private_key" = "TOPSECRET"',
        '[hosts.a.private_key]\nx = "TOPSECRET"\ny = "TOPSECRET"\n[hosts.b]\n',
        'admin_password = "TOPSECRET"',
        "PASSWD = 'TOPSECRET'",
        'psk="TOPSECRET"',
        '# psk = "TOPSECRET"',
        "mtu = 1 # password TOPSECRET",
        "# the private key is TOPSECRET",
        '[hosts.a.bgp.peers.x.password]\ntext = "TOPSECRET"',
        "[hosts.a.bgp.peers.x.password]\ntext = TOPSECRET",
        '[igp.authentication]\nmd5 = "TOPSECRET"',
        '[[hosts.a.tunnels.t.psk]]\nfile = "TOPSECRET"',
        'md5 = "TOPSECRET"',
        "tcp_md5 = ['TOPSECRET']",
        'pass = "TOPSECRET"',
        'igp.authentication = "TOPSECRET"',
        'api_token = "TOPSECRET"',
        'password.file = "TOPSECRET"',
        'password = { file = "TOPSECRET" }',
        'password.credential = "TOP SECRET TOPSECRET"',
        f'key = "{KEY}"',
        f"{KEY}",
        f"PrivateKey {KEY[:-2]}",
        f'peer = {{ public_key = "x", preshared_key = "{KEY}", mtu = 1400 }}',
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    assert "TOPSECRET" not in masked(text)
    assert "TOPSECRET" not in render([Diagnostic("NC0100", (), "is wrong", place=_place(text))], "f", text)


def _place(text: str) -> Place:
    last = text.rstrip("\n").split("\n")
    return Place("f", len(last), 1, 2, last[-1])


@pytest.mark.parametrize(
    "text",
    [
        f'public_key = "{KEY}"',
        f"PublicKey = {KEY}",
        'private_key = { file = "/etc/netc/keys/a.key" }',
        'private_key = { credential = "wg-key" }',
        'private_key.file = "/etc/netc/keys/a.key"',
        '[hosts.a.private_key]\nfile = "/etc/netc/keys/a.key"\n',
        '[hosts.secret]\nwan = "eth0"\n',
        '[hosts.a.bgp.peers.password]\naddress = "fe80::1"\n',
        '[hosts.a.firewall]\npass = "wg-home"\n',
        'hosts.a.firewall.pass = "wg-home"',
        '[[hosts.a.firewall.pass]]\nfrom = "wg-home"\n',
        'pass = [{ from = "wg-home", to = "eth0" }]',
        'compass = "north"',
        'private_key.file = "keys/home.key"',
        "# keys of hosts",
        'import = "/a/very/long/path/of/nothing/but/small/letters"',
    ],
)
def test_text_without_a_secret_is_shown(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize("key", ["private_key", "PrivateKey", "preshared-key", "psk", "Passphrase", "admin_password"])
def test_a_key_of_a_secret_is_recognised(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["public_key", "key", "keepalive", "secret-host", "pskov", 5])
def test_other_keys_are_not_keys_of_a_secret(key: object) -> None:
    assert not is_secret_key(key)


def test_a_message_does_not_quote_a_key() -> None:
    assert without_keys(f"`{KEY}` is no name") == "what looks like a key is no name"


pieces = st.sampled_from(
    ["private_key", "psk", " = ", '"', "'", '"""', "{", "}", "[", "]", "\n", "\\", "#", KEY, "x", ":"]
)


@given(st.lists(st.one_of(pieces, st.text(max_size=5)), max_size=30).map("".join))
def test_a_hidden_secret_keeps_its_columns(text: str) -> None:
    hidden = masked(text)

    assert len(hidden) == len(text)
    assert [at for at, c in enumerate(hidden) if c == "\n"] == [at for at, c in enumerate(text) if c == "\n"]
