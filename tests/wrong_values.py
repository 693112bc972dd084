"""Two topologies, and what people write into them who know another program's words."""

from __future__ import annotations

LAB = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "ens3"
addresses = ["198.51.100.7/24", "2001:db8:7::7/64"]
public_key = "JiNt8ndTJMUk6P469UZUz1aW3JPi7bN6M4nzlIDiz34="
firewall = {}

[hosts.home]
id = 2
wan = "eth0"
addresses = ["192.168.1.10/24"]
endpoint = false
public_key = "SKv4462S+G1z1DJVhLgLlPI0S5NiXHx+Y+R11sWdMDU="

[links.wg0]
kind = "wireguard"
between = ["edge", "home"]
ends.edge.address = ["10.77.0.0/31", "fd77::0/127"]
ends.home.address = ["10.77.0.1/31", "fd77::1/127"]

[forwards.web]
at = "edge"
ports = ["443/tcp"]
to = "home"
via = "wg0"

[hosts.edge.tunnels.prov]
kind = "wireguard"
address = "10.64.0.2/32"
dns = "10.64.0.1"
[hosts.edge.tunnels.prov.peer]
public_key = "Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA="
endpoint = "192.0.2.98:51820"
allowed_ips = ["0.0.0.0/0", "::/0"]

[hosts.edge.namespaces.vpn]
tunnel = "prov"
access = "10.200.0.0/31"
publish = [{ port = "9091/tcp" }]
services = ["transmission-daemon.service"]

[hosts.home.tunnels.sp]
kind = "wireguard"
address = "10.65.0.2/32"
[hosts.home.tunnels.sp.peer]
public_key = "Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA="
endpoint = "192.0.2.97:51820"
allowed_ips = "0.0.0.0/0"

[hosts.home.splits.s]
tunnel = "sp"
group = "viavpn"

[hosts.edge.bridges.br0]
addresses = "172.20.0.1/24"
masquerade = true
publish = [{ port = "80/tcp", to = "172.20.0.20" }]

[meshes.m]
hosts = ["edge", "home"]
interfaces = "shared"
subnet = "10.99.0.0/24"
port = 51999
"""

AS = """
version = 1
network.name = "lab"

[bgp]
asn = 4242420100
internal = "mesh"
prefixes = ["172.20.16.0/27", "fd42:1::/48"]
profile = "dn42"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8:1::1/64"]
public_key = "JiNt8ndTJMUk6P469UZUz1aW3JPi7bN6M4nzlIDiz34="
loopback = ["172.20.16.1/32", "fd42:1::1/128"]

[hosts.a.tunnels.x]
kind = "wireguard"
address = ["fe80::100/64"]
port = 20207
[hosts.a.tunnels.x.peer]
public_key = "Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA="
endpoint = "x.example.net:20100"
allowed_ips = ["0.0.0.0/0", "::/0"]

[hosts.a.bgp.peers.x6]
asn = 4242420207
role = "peer"
address = "fe80::207"
tunnel = "x"
"""

TWO = (
    AS
    + """
[hosts.b]
id = 2
wan = "eth0"
addresses = ["198.51.100.2/24", "2001:db8:1::2/64"]
public_key = "SKv4462S+G1z1DJVhLgLlPI0S5NiXHx+Y+R11sWdMDU="
loopback = ["172.20.16.2/32", "fd42:1::2/128"]
bgp = {}
[links.l]
kind = "wireguard"
between = ["a", "b"]
"""
)

UPLINK = 'hosts.edge.uplinks.u = { interface = "eth1", prefixes = "203.0.113.0/24", gateway = "203.0.113.1" }\n'

LINES = {
    LAB: r"""
links.wg0.listen_port = 51820
links.wg0.keepalive = 25
links.wg0.persistent_keepalive = 25
links.wg0.interface = "wg0"
links.wg0.endpoint = "198.51.100.7:51820"
links.wg0.allowed_ips = ["10.77.0.0/31", "fd77::/127"]
links.wg0.hosts = ["edge", "home"] # without links.wg0.between
links.wg0.type = "wireguard" # without links.wg0.kind
links.wg0.addresses = ["10.77.0.0/31", "10.77.0.1/31"] # without links.wg0.ends, forwards
links.wg0.ends.edge.mtu = 1400
links.wg0.ends.home.listen_port = 51990
links.wg0.kind = "openvpn"
links.wg0.kind = "amneziawg"
links.wg0.kind = "6to4"
links.wg0.kind = "WireGuard"
links.wg0.between = ["198.51.100.7", "home"]
links.wg0.between = "edge, home"
hosts.home.tunnels.sp.public_key = "FzT1K2vjzbR6K8qhrDtQUK3Dl8BycpBJzxDkGY8HIWg=" # without hosts.home.tunnels.sp.peer
hosts.home.tunnels.sp.endpoint = "192.0.2.97:51820" # without hosts.home.tunnels.sp.peer
hosts.home.tunnels.sp.allowed_ips = "0.0.0.0/0" # without hosts.home.tunnels.sp.peer
hosts.home.tunnels.sp.persistent_keepalive = 25
hosts.home.tunnels.sp.SaveConfig = true
hosts.home.tunnels.sp.kind = "wg"
hosts.home.tunnels.sp.table = "off"
hosts.home.tunnels.sp.table = false
hosts.home.tunnels.sp.table = "to4"
hosts.home.tunnels.sp.port = "51820/udp"
hosts.home.tunnels.sp.peer.keepalive = "off"
hosts.home.tunnels.sp.peer.keepalive = "25s"
hosts.home.tunnels.sp.peer.dns = "10.65.0.1"
hosts.home.tunnels.sp.peer.endpoint = false
hosts.home.tunnels.sp.peer.allowed_ips = "all"
hosts.home.tunnels.sp.peer.allowed_ips = ["0.0.0.0/0", "10.8/16"]
hosts.home.tunnels.sp.routes = "10.0.0.0 255.0.0.0"
hosts.home.tunnels.sp.routes = "10.0.0.0/255.0.0.0"
hosts.home.tunnels.sp.routes = "default" # without hosts.home.splits
hosts.home.tunnels.sp.dns = "example.lan"
hosts.home.tunnels.sp.private_key = "keys/home.key"
hosts.home.tunnels.sp.private_key = "~/wg/private.key"
hosts.home.tunnels.sp.private_key = ["/etc/wireguard/key"]
hosts.home.tunnels.sp.private_key = { env = "WGKEY" }
hosts.edge.tunnels.he = { kind = "6in4", address = "2001:db8:99::2/64", remote = "192.0.2.5", routes = "::/0" }
hosts.edge.tunnels.he = { kind = "sit", address = "2001:db8:99::2/64", remote = "192.0.2.5", routes = "0.0.0.0/0" }
hosts.edge.tunnels.g = { kind = "gre", address = "10.3.0.1/30", remote = "vpn.example.net", routes = "10.4.0.0/16" }
hosts.edge.tunnels.o = { kind = "external", interface = "tun0", start = "/usr/sbin/openvpn --config x" }
meshes.m.kind = "openvpn"
meshes.m.kind = "6in4"
meshes.m.subnet = "10.99.0.0"
meshes.m.hosts = ["198.51.100.7", "home"]
forwards.web.ports = "443"
forwards.web.ports = 443
forwards.web.ports = [444, 443]
forwards.web.ports = "443/TCP"
forwards.web.ports = "tcp/443"
forwards.web.ports = "8000:8010/tcp"
forwards.web.ports = "444,443/tcp"
hosts.edge.firewall.allow = { ports = "53/tcp+udp" }
forwards.web.ports = "443/sctp"
forwards.web.to = "10.77.0.1:8080"
forwards.web.to = "[fd77::1]:8080"
forwards.web.to = "10.99.0.2"
forwards.web.to = "192.168.1.50:80"
forwards.web.to = "home.example.net"
forwards.web.via = "wg-m"
forwards.web.via = "home"
hosts.edge.ssh = "2222/tcp"
hosts.edge.addresses = "198.51.100.7/255.255.255.0"
hosts.edge.addresses = ["198.51.100.7/24", "auto"]
hosts.edge.nameservers = ["1.1.1.1"]
hosts.edge.docker = 1
hosts.edge.endpoint = "198.51.100.7/24"
hosts.edge.bridges.br0.subnet = "172.20.0.1/24" # without hosts.edge.bridges.br0.addresses
hosts.edge.bridges.br0.nat = true # without hosts.edge.bridges.br0.masquerade
hosts.edge.bridges.br0.snat = true # without hosts.edge.bridges.br0.masquerade
hosts.edge.bridges.br0.snat = "auto" # without hosts.edge.bridges.br0.masquerade
hosts.edge.bridges.br0.publish = "8080:80"
hosts.edge.bridges.br0.publish = "80:8080/tcp"
hosts.edge.bridges.br0.publish = "80:172.20.0.9:8080"
hosts.edge.bridges.br0.publish = "8000-8010:8000-8010"
hosts.edge.bridges.br0.publish = { port = "81,443/tcp", to = "172.20.0.9" }
hosts.edge.bridges.br0.publish = { port = 81, to = "172.20.0.9" }
hosts.edge.namespaces.vpn.publish = "9092"
hosts.edge.namespaces.vpn.publish = "9092:80"
hosts.edge.namespaces.vpn.open = 51413
hosts.edge.namespaces.vpn.open = "51413"
hosts.edge.namespaces.vpn.tunnel = "br0"
hosts.edge.namespaces.vpn.tunnel = "sp"
hosts.edge.namespaces.vpn.services = "transmission-daemon"
hosts.edge.firewall.allow = [8443]
hosts.edge.firewall.allow = "8443"
hosts.edge.firewall.allow = "http"
hosts.edge.firewall.allow = "81,443/tcp"
hosts.edge.firewall.allow = "10.0.0.0/8"
hosts.edge.firewall.allow = "10.0.0.1"
hosts.edge.firewall.allow = "private"
hosts.edge.firewall.allow = "wg-home"
hosts.edge.firewall.allow = "whatever"
hosts.edge.firewall.allow = { port = 8443, proto = "tcp" }
hosts.edge.firewall.allow = { ports = "8443/tcp", from = "any" }
hosts.edge.firewall.pass = "wg-home"
hosts.edge.firewall.pass = "ens3"
hosts.edge.firewall.pass = "wg-home -> br0"
hosts.edge.firewall.deny = "25/tcp"
hosts.edge.firewall.deny = "example.net"
hosts.edge.firewall.deny = "10.8.0.0-10.8.0.255"
sets.x = { prefixes = "10.0.0.0/8", minus = "example.net", ipset = true }
sets.x = { prefixes = ["10.0.0.1-10.0.0.9"], ipset = true }
sets.x = { prefixes = "example.net", ipset = true }
sets.x = { prefixes = "10.0.0.0/8", ipset = "yes" }
hosts.home.splits.s.domains = ["example.net"]
hosts.home.splits.s.table = "off"
hosts.home.splits.s.mark = "0x10"
hosts.home.splits.s.service = "web.socket" # without hosts.home.splits.s.group
hosts.home.splits.s.service = "nginx" # without hosts.home.splits.s.group
hosts.home.splits.s.slice = "media" # without hosts.home.splits.s.group
hosts.home.splits.s.user = 1000 # without hosts.home.splits.s.group
hosts.home.splits.s.user = "1000" # without hosts.home.splits.s.group
hosts.home.lan = { id = 3 } # without hosts.home.id
links.wg1.lan = { kind = "wireguard", between = ["edge", "home"] } # without links.wg0, forwards
hosts.home.tunnels.a.b.c = { kind = "wireguard" }
hosts.edge.uplinks.u.table = "main"
hosts.edge.uplinks.u.gateway = "none"
hosts.edge.uplinks.u.gateway = "ra"
hosts.edge.uplinks.u.gateway = true
hosts.edge.uplinks.u.prefixes = "dhcp"
""",
    AS: r"""
bgp.roa = "/etc/bird/roa.conf"
bgp.refuse = ["10.0.0.0/8{24,32}"]
bgp.refuse = ["10.0.0.0/8+"]
igp = { kind = "ospf", over = [] }
hosts.a.bgp.router_id = 1
hosts.a.bgp.router_id = "1"
hosts.a.bgp.peers.x6.limit = 1000
hosts.a.bgp.peers.x6.asn = "AS4242420207"
hosts.a.bgp.peers.x6.neighbor = "fe80::207" # without hosts.a.bgp.peers.x6.address
hosts.a.bgp.peers.x6.remote_as = 4242420207 # without hosts.a.bgp.peers.x6.asn
anycast.d = { addresses = "172.20.16.9/32", hosts = "a", check = "/usr/bin/dig @172.20.16.9 x" }
anycast.d = { addresses = "172.20.16.9/32", hosts = "a", check = "dig @172.20.16.9 x" }
anycast.d = { addresses = "172.20.16.9/32", hosts = "a", check = { command = "/usr/bin/true", interval = 7 } }
anycast.d = { addresses = "172.20.16.9/32", hosts = "a", check = { command = "/usr/bin/true", interval = "7 s" } }
""",
    TWO: r"""
igp = { kind = "he", over = "l" }
igp = { kind = "ospf", over = [] }
""",
}
"""By topology: a line that is put into it, and behind `# without` the keys that are taken out before."""
