"""Services in a namespace or in the slice of a split, on a machine that boots: after a rollback they run where the
previous generation has them, and `check` and `status` see one that runs elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, give_key
from live.delivered import INSTALL, KILL, PLACE, deliver, install, killed, netc_host
from live.lab import Lab
from machine.machine import Machine, machine
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.box]
id = 1
wan = "eth0"
addresses = "198.51.100.7/24"

[hosts.box.tunnels.out]
kind = "wireguard"
address = "10.64.0.2/32"
dns = "10.64.0.1"

[hosts.box.tunnels.out.peer]
public_key = "xdlVcSM9GSN0rtWwAI/y4gF/PsOdNwJ6vwxko0jmyiY="
endpoint = "203.0.113.9:51820"
allowed_ips = "0.0.0.0/0"

[hosts.box.tunnels.escape]
kind = "wireguard"
address = "10.66.0.2/32"

[hosts.box.tunnels.escape.peer]
public_key = "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk="
endpoint = "203.0.113.8:51820"
allowed_ips = "0.0.0.0/0"

[hosts.box.namespaces.vpn]
tunnel = "out"
services = {inside}

[hosts.box.splits.{split}]
tunnel = "escape"
service = "visits.service"
"""
OLD = TOPOLOGY.format(inside='["seeds.service", "stays.service", "many@.service"]', split="seeding")
NEW = TOPOLOGY.format(inside='["stays.service", "late.service"]', split="renamed")
"""It takes services out of the namespace, puts one in, and renames the split."""

UNIT = """
[Service]
ExecStart=sleep infinity

[Install]
WantedBy=multi-user.target
"""
EARLY = "[Unit]\nDefaultDependencies=no\n"
SERVICES = ("seeds.service", "stays.service", "late.service", "many@one.service", "visits.service")
INSIDE = {"seeds.service", "stays.service", "many@one.service"}


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Machine:
    box, world = machine(lab, "box"), lab.host("world")
    lab.wire(box, "eth0", world, "box", a_addresses=["198.51.100.7/24"], b_addresses=["198.51.100.1/24"])
    for service in SERVICES:
        # One starts before anything else at boot, also before a rollback.
        text = EARLY + UNIT if service == "seeds.service" else UNIT
        box.write(f"/etc/systemd/system/{service.replace('@one', '@')}", text)
    give_key(box, "out", "out")
    give_key(box, "escape", "escape")
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "enable", *SERVICES])
    box.run(["systemctl", "start", *SERVICES])
    deliver(lab, box, compiled(OLD, tmp_path / "old")["box"])
    install(box, "--commit")
    box.run(["systemctl", "start", "many@one.service"])
    return box


def shown(box: Machine, unit: str, what: str) -> str:
    return box.run(["systemctl", "show", "-P", what, unit]).stdout.strip()


def inside(box: Machine) -> set[str]:
    """The services that run in the namespace; the others run in the network of the host."""
    links = {"vpn": "/run/netns/vpn", "host": "/proc/1/ns/net"}
    places = {where: box.run(["stat", "-L", "-c", "%i", path]).stdout for where, path in links.items()}
    found = set()
    for service in SERVICES:
        place = box.run(["stat", "-L", "-c", "%i", f"/proc/{shown(box, service, 'MainPID')}/ns/net"]).stdout
        assert place in places.values(), service
        found |= {service} if place == places["vpn"] else set()
    return found


def slice_of(box: Machine) -> str:
    return box.read(f"/proc/{shown(box, 'visits.service', 'MainPID')}/cgroup").split("/")[-2]


def as_before(box: Machine) -> bool:
    return inside(box) == INSIDE and slice_of(box) == "netc_seeding.slice"


def pending(box: Machine) -> bool:
    return box.run(["test", "-e", "/var/lib/netc/pending"], check=False).returncode == 0


def test_a_rollback_puts_services_back(lab: Lab, box: Machine, tmp_path: Path) -> None:
    assert within(60, lambda: as_before(box))
    deliver(lab, box, compiled(NEW, tmp_path / "new")["box"])

    install(box, "--detach")
    assert inside(box) == {"stays.service", "late.service"}
    assert slice_of(box) == "netc_renamed.slice"
    netc_host(box, "revert")
    assert as_before(box)

    install(box, "--detach", "--within", "5")
    assert within(180, lambda: not pending(box))
    assert "nobody confirmed it in time" in box.read("/var/lib/netc/history")
    assert as_before(box)

    # The process that makes the change is killed, and so is the rollback.
    box.write(PLACE, KILL)
    killed(box, ["bash", INSTALL, "--detach"], "switch", 400)
    for at in (60, 250):
        assert pending(box)
        killed(box, ["/usr/local/sbin/netc-host", "revert"], "revert", at)
    netc_host(box, "revert", check=False)
    assert not pending(box)
    assert as_before(box)


def test_a_rollback_at_boot_puts_services_back(lab: Lab, box: Machine, tmp_path: Path) -> None:
    assert within(60, lambda: as_before(box))
    deliver(lab, box, compiled(NEW, tmp_path / "new")["box"])
    install(box, "--detach")
    box.power_cut()
    box.boot()
    assert within(180, lambda: not pending(box))
    assert within(60, lambda: as_before(box))


def test_check_and_status_see_a_service_that_runs_elsewhere(box: Machine) -> None:
    assert netc_host(box, "check").stdout == ""
    status = netc_host(box, "status")
    assert "namespace-vpn  up" in re.sub(" +", "  ", status.stdout)

    # Somebody takes them out.
    elsewhere = {
        "seeds.service": "NetworkNamespacePath=",
        "many@.service": "NetworkNamespacePath=",
        "visits.service": "Slice=system.slice",
    }
    for unit, line in elsewhere.items():
        box.write(f"/etc/systemd/system/{unit}.d/60-other.conf", f"[Service]\n{line}\n")
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "restart", "seeds.service", "many@one.service", "visits.service"])
    found = netc_host(box, "check", check=False).stdout
    for service in ("seeds.service", "many@one.service"):
        assert re.search(
            rf"(?m)^namespace-vpn: service {service} does not run in namespace vpn \(process \d+\): ", found
        )
    assert "split-seeding: service visits.service does not run in netc_seeding.slice: " in found
    assert "stays" not in found
    status = netc_host(box, "status", check=False)
    assert status.returncode == 1
    assert re.search(r"(?m)^broken +namespace-vpn +service seeds.service does not run in namespace vpn", status.stdout)
    metrics = netc_host(box, "status", "--metrics", check=False).stdout
    for part, state in {"namespace-vpn": 0, "split-seeding": 0, "tunnel-out": 1}.items():
        assert f'netc_part_up{{part="{part}"}} {state}' in metrics

    # They are where they belong, but a process of one is not, or it is the client of a daemon.
    for unit in elsewhere:
        box.run(["rm", f"/etc/systemd/system/{unit}.d/60-other.conf"])
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "restart", "seeds.service", "many@one.service", "visits.service"])
    assert netc_host(box, "check").stdout == ""
    groups = "/sys/fs/cgroup/system.slice/seeds.service/inner"
    box.run(["bash", "-c", f"mkdir {groups}; sleep 999 </dev/null >/dev/null 2>&1 & echo $! >{groups}/cgroup.procs"])
    box.write(
        "/usr/local/bin/pull",
        "#!/bin/bash\nexec -a docker bash -c 'sleep infinity; :' run --network host image\n",
        0o755,
    )
    box.write(
        "/etc/systemd/system/stays.service.d/60-other.conf", "[Service]\nExecStart=\nExecStart=/usr/local/bin/pull\n"
    )
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "restart", "stays.service"])
    found = netc_host(box, "check", check=False).stdout
    assert re.fullmatch(
        r"namespace-vpn: service seeds.service does not run in namespace vpn \(process \d+\): "
        r"systemctl restart seeds.service\n"
        r"namespace-vpn: service stays.service runs `docker run` \(process \d+\), "
        r"whose programs are not in vpn\n",
        found,
    )


def test_a_client_of_docker_is_refused_before_anything_changes(lab: Lab, box: Machine, tmp_path: Path) -> None:
    box.run(["mkdir", "/etc/systemd/system/late.service.d"])
    deliver(lab, box, compiled(NEW, tmp_path / "new")["box"])
    for command, refused in {
        "/usr/bin/docker run --rm --network host image": "docker run",
        "/bin/sh -c 'exec docker compose up'": "docker up",
        "/usr/bin/machinectl start guest": "machinectl start",
        "/usr/bin/podman run --network host image": "",
        "/usr/bin/docker-proxy --run": "",
    }.items():
        box.write("/etc/systemd/system/late.service.d/60-other.conf", f"[Service]\nExecStart=\nExecStart={command}\n")
        box.run(["systemctl", "daemon-reload"])
        said = install(box, "--dry-run", check=False)
        assert (said.returncode == 1) == bool(refused), said
        if refused:
            assert f"netc: late.service runs `{refused}`, whose programs are not in vpn: " in said.stderr
            assert "nothing was changed" in said.stderr


SOCKET = "[Socket]\nListenStream={at}\n\n[Install]\nWantedBy=sockets.target\n"


def test_a_socket_in_the_network_of_the_host_is_refused_and_seen(lab: Lab, box: Machine, tmp_path: Path) -> None:
    """systemd itself listens for the service, wherever that runs."""
    assert netc_host(box, "check").stdout == ""
    units = {"late": "late.service", "visits": "visits.service"}
    for name, at in {"stays": "/run/stays", "late": "7005", "visits": "7006", "many": "/run/many"}.items():
        accepts = "Accept=yes\n" if name == "many" else ""
        text = SOCKET.format(at=at).replace("[Install]", f"{accepts}[Install]")
        box.write(f"/etc/systemd/system/{name}.socket", text)
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "enable", "stays.socket", "late.socket", "visits.socket", "many.socket"])
    deliver(lab, box, compiled(NEW, tmp_path / "new")["box"])
    said = install(box, "--dry-run", check=False)
    assert said.returncode == 1
    for name, service in units.items():
        assert f"netc: {name}.socket listens for {service}, in the host's network and not in " in said.stderr
    assert said.stderr.count("listens for") == 2
    assert "systemctl disable --now late.socket, or list it in `services` of the namespace" in said.stderr

    box.run(["systemctl", "disable", "late.socket", "visits.socket"])
    assert "listens for" not in install(box, "--dry-run").stderr
    listed = NEW.replace('"late.service"', '"late.service", "late.socket"')
    box.run(["systemctl", "enable", "late.socket"])
    deliver(lab, box, compiled(listed, tmp_path / "listed")["box"])
    assert "listens for" not in install(box, "--dry-run").stderr

    box.run(["systemctl", "stop", "visits.service"])
    box.run(["systemctl", "start", "visits.socket"])
    found = netc_host(box, "check", check=False).stdout
    assert "split-seeding: visits.socket listens for service visits.service in the host's network: " in found
    assert netc_host(box, "status", check=False).returncode == 1


def test_an_instance_of_a_socket_in_the_network_of_the_host_is_seen(lab: Lab, box: Machine, tmp_path: Path) -> None:
    """Of its own service, and of one that it names."""
    for name, at in {"many": "ListenStream=7007", "front": "ListenStream=7008\nService=seeds.service"}.items():
        wanted = f"[Socket]\n{at}\n\n[Install]\nWantedBy=sockets.target\n"
        box.write(f"/etc/systemd/system/{name}@.socket", wanted)
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "stop", "many@one.service", "seeds.service"])
    box.run(["systemctl", "enable", "many@one.socket", "front@x.socket"])
    sockets = {"many@one.socket": "many@.service", "front@x.socket": "seeds.service"}
    said = install(box, "--dry-run", check=False)
    assert said.returncode == 1
    for socket, service in sockets.items():
        assert f"netc: {socket} listens for {service}, in the host's network and not in vpn: " in said.stderr

    box.run(["systemctl", "start", "many@one.socket", "front@x.socket"])
    found = netc_host(box, "check", check=False).stdout
    for socket, service in sockets.items():
        assert f"namespace-vpn: {socket} listens for service {service} in the host's network: " in found

    listed = OLD.replace('"many@.service"', '"many@.service", "many@.socket", "front@x.socket"')
    deliver(lab, box, compiled(listed, tmp_path / "listed")["box"])
    assert "listens for" not in install(box, "--dry-run", check=False).stderr


DIAL = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7009 && sleep 1"]


def test_a_socket_that_accepts_connections_for_a_service_is_refused_or_in_the_namespace(
    lab: Lab, box: Machine, tmp_path: Path
) -> None:
    """systemd accepts each connection, and gives it to an instance of the template (Accept=yes)."""
    wanted = SOCKET.format(at="7009").replace("[Install]", "Accept=yes\n[Install]")
    box.write("/etc/systemd/system/many.socket", wanted)
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "enable", "--now", "many.socket"])
    said = install(box, "--dry-run", check=False)
    assert said.returncode == 1
    assert "netc: many.socket listens for many@.service, in the host's network and not in vpn: " in said.stderr
    box.run(DIAL)
    found = netc_host(box, "check", check=False).stdout
    assert "namespace-vpn: many.socket listens for service many@.service in the host's network: " in found

    box.run(["systemctl", "stop", "many.socket", "many@*.service"])
    listed = OLD.replace('"many@.service"', '"many@.service", "many.socket"')
    deliver(lab, box, compiled(listed, tmp_path / "listed")["box"])
    install(box, "--commit")
    box.run(["systemctl", "start", "many.socket"])
    assert box.run(DIAL, check=False).returncode != 0
    box.run(["ip", "netns", "exec", "vpn", *DIAL])
    (instance,) = re.findall(r"many@\d\S*\.service", box.run(["systemctl", "list-units", "--plain"]).stdout)
    place = box.run(["stat", "-L", "-c", "%i", f"/proc/{shown(box, instance, 'MainPID')}/ns/net", "/run/netns/vpn"])
    assert len(set(place.stdout.split())) == 1
    assert netc_host(box, "check").stdout == ""
