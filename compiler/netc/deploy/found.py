"""What a host has that a topology may say of it: its interfaces, addresses, default routes, the ports of sshd, and what
else is there. The host is asked by the library that `install` asks it with. No file of the host is read except
/etc/os-release, so no key and no password is either; what the host answers is not trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from netc.deploy.carrier import Carrier
from netc.deploy.host import packed
from netc.deploy.keys import UNPACK

ASK = (
    UNPACK
    + r"""
cd "$folder/usr/lib/netc" && source ./steps.bash - none && source ./bring.bash && source ./asked.bash || exit 1
set +e
has_systemd() { [[ -d /run/systemd/system ]]; }
say_row() { local IFS=$'\t'; printf '%s\n' "$*"; }
ask_host || { echo "ip does not answer" >&2; exit 1; }
for name in "${!mtu_of[@]}"; do
  [[ ! ${netcs[$name]-} ]] || continue
  kind=-
  while IFS='=' read -r key value; do
    [[ $key != DEVTYPE ]] || kind=$value
  done 2>/dev/null <"/sys/class/net/$name/uevent"
  [[ ! -e /sys/class/net/$name/tun_flags ]] || kind=tun
  say_row link "$name" "${mtu_of[$name]}" "$kind"
done
for line in "${addresses[@]}"; do
  read -ra words <<<"$line"
  say_row address "${words[0]}" "${words[2]}" "${words[*]:3}"
done
for line in "${defaults[@]}"; do
  read -ra words <<<"$line"
  say_row default "${words[@]:0:5}"
done
read_lines sshd_reach 2>/dev/null || lines=()
for line in "${lines[@]}"; do
  read -ra words <<<"$line"
  if [[ ${words[0]} != 0 && ${words[0]} == "${lines[0]%% *}" ]]; then
    say_row ssh "${words[1]}"
  else
    say_row sshd "${words[1]} at ${words[2]}"
  fi
done
while IFS='=' read -r key value; do
  [[ $key != PRETTY_NAME ]] || say_row system "$value"
done 2>/dev/null </etc/os-release
for file in /etc/wireguard/*.conf /etc/systemd/network/*.net* /etc/netplan/*.yaml /etc/network/interfaces \
  /etc/network/interfaces.d/* /etc/NetworkManager/system-connections/* /etc/nftables.conf /etc/iptables/rules.v[46] \
  /etc/ufw/ufw.conf /etc/firewalld/firewalld.conf /etc/bird/bird.conf /etc/frr/frr.conf /etc/docker \
  /etc/amnezia/amneziawg/*.conf /etc/openvpn/*.conf /etc/openvpn/*/*.conf /var/lib/netc/current; do
  [[ ! -e $file ]] || say_row file "$file"
done
"""
)
MOST_ROWS = 10_000


class Address(Struct, frozen=True):
    """`address` has its length. `flags` as ip-address(8) has them: `dynamic`, `temporary`."""

    device: str
    address: str
    flags: tuple[str, ...]


class Default(Struct, frozen=True):
    """A default route. `via` is `-` without a router."""

    family: str
    device: str
    via: str
    protocol: str
    metric: int


class Found(Struct, frozen=True):
    """As the host says it: nothing is checked but its form."""

    mtu: Mapping[str, str]
    """By interface, without those of netc."""
    kinds: Mapping[str, str]
    """`wireguard`, `bridge`, `tun`; `-` of an ordinary one."""
    addresses: tuple[Address, ...]
    defaults: tuple[Default, ...]
    """The best of each family first."""
    ssh: tuple[str, ...]
    """Ports of sshd, at the addresses that most people reach: others are among `others`."""
    others: tuple[tuple[str, str], ...]
    """What else there is: `system` and its name, `file` and its path, `sshd` and a socket that fewer people reach."""
    strange: tuple[str, ...]
    """Lines that no host of this netc says."""


def ask(
    carrier: Carrier, host: str, libraries: Mapping[str, bytes], report: Callable[[str], object]
) -> tuple[Found | None, str]:
    """`libraries`: steps.bash, bring.bash and asked.bash, by their places. Or why there is no answer."""
    said = carrier.run(host, ASK, given=packed(libraries), hear=report)
    if said.status:
        return None, said.last or f"exit status {said.status}"
    found = _parsed(said.out.split("\n")[:MOST_ROWS])
    return (found, "") if found.mtu else (None, "it names no interface")


def _parsed(lines: list[str]) -> Found:
    rows = [line.split("\t") for line in lines if line]
    links = {row[1]: row for row in rows if row[0] == "link" and len(row) == 4}
    addresses = [
        Address(row[1], row[2], tuple(row[3].split())) for row in rows if row[0] == "address" and len(row) == 4
    ]
    others = tuple((row[0], row[1]) for row in rows if row[0] in ("system", "file", "sshd") and len(row) == 2)
    return Found(
        {name: row[2] for name, row in links.items()},
        {name: row[3] for name, row in links.items()},
        tuple(addresses),
        tuple(sorted(_defaults(rows), key=lambda route: (route.family, route.metric))),
        tuple(dict.fromkeys(row[1] for row in rows if row[0] == "ssh" and len(row) == 2)),
        others,
        tuple(" ".join(row) for row in rows if len(row) != LENGTHS.get(row[0])),
    )


LENGTHS = {"link": 4, "address": 4, "default": 6, "ssh": 2, "sshd": 2, "system": 2, "file": 2}
"""Columns of a row."""


def _defaults(rows: list[list[str]]) -> Iterator[Default]:
    for row in rows:
        if row[0] == "default" and len(row) == 6:
            metric = int(row[5]) if row[5].isdecimal() and len(row[5]) < 11 else 0
            yield Default(row[1], row[2], row[3], row[4], metric)
