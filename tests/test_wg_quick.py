"""Claims about provider files: read as wg-quick reads them, and never more of a secret than that there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.language.wg_quick import BadLine, Quick, read_quick

KEY = "cHJvdmlkZXItcHVibGljLWtleS1vZi10aGUtZXhhbXA="
OTHER = "cXVpZXQtcHVibGljLWtleS1vZi10aGUtZXhhbXBsZS0="
SECRET = "TOPSECRET0aTOPSECRET1bTOPSECRET2cTOPSECRET3="


def good(text: str) -> Quick:
    quick, bad = read_quick(text)

    assert bad == ()
    return quick


def only(text: str) -> BadLine:
    _, bad = read_quick(text)

    assert len(bad) == 1
    return bad[0]


def marked(text: str) -> str:
    bad = only(text)
    return text.splitlines()[bad.line - 1][bad.column - 1 : bad.end - 1]


def addresses(quick: Quick) -> list[str]:
    return [str(net) for net in quick.addresses]


def allowed(text: str) -> list[str]:
    return [str(net) for net in good(f"[Peer]\n{text}").peers[0].allowed_ips]


def endpoint(text: str) -> str:
    return str(good(f"[Peer]\nEndpoint = {text}").peers[0].endpoint)


def test_a_complete_file_is_read() -> None:
    quick = good(
        f"[Interface]\nPrivateKey = {SECRET}\nAddress = 10.9.0.2/32\nDNS = 10.0.0.1\nMTU = 1420\nListenPort = 51820\n"
        f"[Peer]\nPublicKey = {KEY}\nPresharedKey = {SECRET}\nAllowedIPs = 0.0.0.0/0\nEndpoint = 192.0.2.1:51820\n"
        "PersistentKeepalive = 25\n"
    )
    peer = quick.peers[0]

    assert (addresses(quick), [str(ip) for ip in quick.dns]) == (["10.9.0.2/32"], ["10.0.0.1"])
    assert (quick.mtu, quick.port, quick.has_private_key) == (1420, 51820, True)
    assert (peer.public_key, peer.has_preshared_key, peer.keepalive) == (KEY, True, 25)
    assert (str(peer.endpoint), list(map(str, peer.allowed_ips))) == ("192.0.2.1:51820", ["0.0.0.0/0"])


@pytest.mark.parametrize(
    "line", ["# Address = 10.0.0.1/8", "   # [Peer]", "", "\t", "#", "Address = 10.9.0.2/32 # not 10.9.0.3/32"]
)
def test_a_comment_begins_anywhere(line: str) -> None:
    quick = good(f"[Interface] # ours\n{line}\n")

    assert addresses(quick) in ([], ["10.9.0.2/32"])
    assert quick.peers == []


@pytest.mark.parametrize("key", ["address", "ADDRESS", "Address", "aDdReSs"])
def test_case_does_not_matter_in_keys_and_sections(key: str) -> None:
    assert addresses(good(f"[INTERFACE]\n{key} = 10.9.0.2/32\n")) == ["10.9.0.2/32"]


@pytest.mark.parametrize("line", ["Address=10.9.0.2/32", "  Address  =  10.9.0.2/32  ", "\tAddress\t=\t10.9.0.2/32\t"])
def test_blanks_around_keys_and_values_do_not_matter(line: str) -> None:
    assert addresses(good(f"[Interface]\n{line}\n")) == ["10.9.0.2/32"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_accepted(end: str) -> None:
    quick = good(end.join(["[Interface]", "Address = 10.9.0.2/32", "MTU = 1400", ""]))

    assert (addresses(quick), quick.mtu) == (["10.9.0.2/32"], 1400)


def test_lists_may_be_lists_or_lines() -> None:
    quick = good(
        "[Interface]\nAddress = 10.9.0.2/32,fd00::2/128\nAddress = 10.9.1.2/24\nDNS = 10.0.0.1\nDNS = fd00::1\n"
    )

    assert addresses(quick) == ["10.9.0.2/32", "fd00::2/128", "10.9.1.2/24"]
    assert [str(ip) for ip in quick.dns] == ["10.0.0.1", "fd00::1"]
    assert allowed("AllowedIPs = 0.0.0.0/1, 128.0.0.0/1\nAllowedIPs = ::/0") == ["0.0.0.0/1", "128.0.0.0/1", "::/0"]


def test_an_address_without_a_length_is_a_single_address() -> None:
    assert addresses(good("[Interface]\nAddress = 10.9.0.2, fd00::2\n")) == ["10.9.0.2/32", "fd00::2/128"]
    assert allowed("AllowedIPs = 10.0.0.1, fd00::1") == ["10.0.0.1/32", "fd00::1/128"]


def test_an_address_keeps_its_host_bits_and_an_allowed_prefix_loses_them() -> None:
    assert addresses(good("[Interface]\nAddress = 10.9.0.2/16\n")) == ["10.9.0.2/16"]
    assert allowed("AllowedIPs = 10.9.0.2/16") == ["10.9.0.0/16"]


def test_search_domains_are_no_resolvers() -> None:
    quick = good("[Interface]\nDNS = 10.0.0.1, corp.example.net, lan\nDNS = example.org\n")

    assert [str(ip) for ip in quick.dns] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1:51820", "192.0.2.1:51820"),
        ("[2001:db8::1]:51820", "[2001:db8::1]:51820"),
        ("[2001:DB8:0:0::1]:1", "[2001:db8::1]:1"),
        ("vpn.example.net:65535", "vpn.example.net:65535"),
    ],
)
def test_an_endpoint_is_an_address_or_a_name(text: str, expected: str) -> None:
    assert endpoint(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("vpn.example.net", "NC0111"),
        ("[2001:db8::1]", "NC0111"),
        ("2001:db8::1:51820", "NC0111"),  # an address, and no port
        ("vpn.example.net:0", "NC0105"),
        ("vpn.example.net:65536", "NC0105"),
        ("$(id):51820", "NC0111"),
        ("https://vpn.example.net:51820", "NC0111"),
        ("fd00:0\x00:51820", "NC0111"),
        ("", "NC0111"),
    ],
)
def test_other_endpoints_are_refused(text: str, code: str) -> None:
    assert only(f"[Peer]\nEndpoint = {text}\n").error.code == code


@pytest.mark.parametrize(("text", "expected"), [("off", 0), ("0", 0), ("25", 25)])
def test_keepalive_may_be_off(text: str, expected: int) -> None:
    assert good(f"[Peer]\nPersistentKeepalive = {text}\n").peers[0].keepalive == expected


def test_port_0_is_any_port() -> None:
    assert good("[Interface]\nListenPort = 0\n").port is None


def test_hooks_are_listed_as_ignored_and_their_values_are_not_kept() -> None:
    quick = good("[Interface]\nPostUp = iptables -j EVIL\npredown = EVIL\nTable = off\nFwMark = 1\nSaveConfig = true\n")

    assert quick.ignored == [(2, "PostUp"), (3, "predown"), (4, "Table"), (5, "FwMark"), (6, "SaveConfig")]
    assert "EVIL" not in repr(quick)


def test_peers_keep_their_order_and_their_own() -> None:
    quick = good(f"[Peer]\nPublicKey = {KEY}\nPresharedKey = {SECRET}\n[Peer]\nPublicKey = {OTHER}\n")

    assert [(peer.public_key, peer.has_preshared_key) for peer in quick.peers] == [(KEY, True), (OTHER, False)]


def test_an_interface_may_come_last_and_in_parts() -> None:
    quick = good(f"[Peer]\nPublicKey = {KEY}\n[Interface]\nAddress = 10.9.0.2\n[Peer]\n[Interface]\nMTU = 1400\n")

    assert (len(quick.peers), addresses(quick), quick.mtu) == (2, ["10.9.0.2/32"], 1400)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Interface]\nAddress = 10.9.0.2/33\n", "10.9.0.2/33"),
        ("[Interface]\nAdress = 10.9.0.2/32\n", "Adress"),
        ("[Interface]\n  MTU  =  big  # bytes\n", "big"),
        ("[Interface]\n  what is this\n", "what is this"),
        ("[Peers]\n", "[Peers]"),
        ("[Peer]\nAddress = 10.9.0.2/32\n", "Address"),
        ("MTU = 1420\n[Interface]\n", "MTU"),
    ],
)
def test_a_bad_line_is_marked_where_it_is_bad(text: str, expected: str) -> None:
    assert marked(text) == expected


def test_every_bad_line_is_reported() -> None:
    _, bad = read_quick("[Interface]\nMTU = 1\nMTU = 2\n[Peer]\nPublicKey = x\nAllowedIPs = y\n")

    assert [each.line for each in bad] == [2, 3, 5, 6]


def test_keys_of_an_unknown_section_are_not_reported() -> None:
    assert only("[Peers]\nPublicKey = x\nAllowedIPs = y\n").line == 1


@pytest.mark.parametrize(
    "line",
    [
        f"PrivateKey = {SECRET}",
        f"privatekey={SECRET}",
        f"PresharedKey = {SECRET}",
        f"PrivatKey = {SECRET}",
        f"PostUp = wg set %i private-key <(echo {SECRET})",
        f"# PrivateKey = {SECRET}",
        f"MTU = 1420 # {SECRET}",
    ],
)
@pytest.mark.parametrize("section", ["[Interface]", "[Peer]", "[Other]", ""])
def test_no_secret_is_kept(section: str, line: str) -> None:
    quick, bad = read_quick(f"{section}\n{line}\n")

    assert SECRET not in repr(quick)
    assert SECRET not in repr(bad)
    assert all(SECRET not in f"{each.error}{each.error.hint}" for each in bad)


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    quick, bad = read_quick(f"[Interface]\n{text}")

    assert all(each.line <= len(f"[Interface]\n{text}".splitlines()) and each.column < each.end for each in bad)
    assert isinstance(quick, Quick)
