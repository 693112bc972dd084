"""`install` and `netc-host` on a host without systemd: what they change, and how they come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live import delivered
from live.compiled import compiled
from live.delivered import INSTALL, KILL, PLACE, TREE, deliver, forge, install, killed, netc_host, token, what_is_there
from live.kills import PROGRAM, is_there, told
from live.lab import Host, Lab
from live.state import difference, without

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
firewall.input = "drop"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"
"""
MORE = (
    TOPOLOGY
    + """
[links.two]
kind = "vxlan"
between = ["edge", "node"]
ends.edge = { address = "10.77.2.0/31", interface = "vx-two" }
ends.node = { address = "10.77.2.1/31", interface = "vx-two" }
vni = 7
"""
)


@pytest.fixture
def edge(lab: Lab) -> Host:
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    return edge


def bring(lab: Lab, host: Host, text: str, folder: Path) -> None:
    deliver(lab, host, compiled(text, folder)[host.name])


def links(host: Host) -> set[str]:
    return set(re.findall(r"\d+: (vx-[a-z]+)", host.run(["ip", "-o", "link"]).stdout))


def test_status_and_check_answer_while_the_first_install_waits(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path)
    install(edge, "--detach")

    for verb in ("status", "check"):
        said = netc_host(edge, verb, check=False)
        assert "did not end" not in said.stdout + said.stderr
        assert said.stderr == ""


def test_a_tree_is_installed_changed_and_uninstalled(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = edge.state()
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    said = install(edge, "--commit")
    assert "start    link-one" in said.stdout
    assert links(edge) == {"vx-node"}

    bring(lab, edge, MORE, tmp_path / "b")
    said = install(edge, "--detach")
    assert re.findall(r"(?m)^(\w+) +(\S+)$", said.stdout)
    assert links(edge) == {"vx-node", "vx-two"}
    netc_host(edge, "confirm", token(said))

    netc_host(edge, "uninstall")
    assert difference(before, edge.state()) == ""


def test_umask_077_does_not_close_installed_directories(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """BIRD and services in namespaces are users of their own; bundles are unpacked with umask 077."""
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    edge.run(["bash", "-c", f"umask 077; {INSTALL} --commit"])
    shut = "find /etc/netc /etc/systemd /usr/lib/netc /run/netc -type d ! -perm 755 -printf '%p %m\n'"
    assert edge.run(["bash", "-c", f"{shut}; stat -c %a /var/lib/netc"]).stdout == "/etc/netc/parts 700\n700\n"


@pytest.mark.parametrize("folder", ["/var/lib/netc", "/etc/netc", "/etc/netc/keys"])
@pytest.mark.parametrize("spoiled", ["chown 65534", "chmod o+w", "chown :100 FOLDER && chmod g+w"])
def test_folders_that_others_can_change_are_refused(
    lab: Lab, edge: Host, tmp_path: Path, folder: str, spoiled: str
) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path)
    spoiled = spoiled.replace("FOLDER", folder)
    edge.run(["bash", "-c", f"mkdir -p {folder} && {spoiled} {folder}"])
    before = edge.state()
    said = install(edge, "--commit", check=False)
    assert said.returncode == 1
    assert f"other users than root can change {folder}: chown root:root {folder}" in said.stderr
    assert difference(before, edge.state()) == ""

    edge.run(["bash", "-c", said.stderr.partition("change " + folder + ": ")[2].partition("\n")[0]])
    install(edge, "--commit")


@pytest.mark.parametrize(("mode", "owner", "is_refused"), [(0o755, 0, False), (0o755, 65534, True), (0o775, 100, True)])
def test_a_link_whose_target_others_can_rename_is_refused(
    lab: Lab, edge: Host, tmp_path: Path, mode: int, owner: int, is_refused: bool
) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path)
    group = owner if mode == 0o775 else 0
    edge.run(["bash", "-c", "mkdir -p /var/others/netc && ln -s /var/others/netc /etc/netc"])
    edge.run(["bash", "-c", f"chown {0 if group else owner}:{group} /var/others && chmod {mode:o} /var/others"])
    said = install(edge, "--commit", check=False)
    assert said.returncode == int(is_refused), said.stderr
    assert ("other users than root can change /var/others:" in said.stderr) == is_refused


def test_the_working_directory_may_be_gone(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    gone = "mkdir -p /var/tmp/gone && cd /var/tmp/gone && rmdir /var/tmp/gone"
    edge.run(["bash", "-c", f"{gone}; {INSTALL} --commit"])
    said = edge.run(["bash", "-c", f"{gone}; netc-host check && /etc/netc/parts/firewall/check"])
    assert said.stdout == ""


def points(most: int, count: int) -> list[int]:
    return sorted({1 + most * n // count for n in range(count)})


def at_rest(host: Host) -> tuple[object, str]:
    return delivered.at_rest(host, "/run/mount")


def test_an_install_killed_at_any_moment_rolls_back_completely(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    before = at_rest(edge)
    edge.write(PLACE, KILL)
    bring(lab, edge, MORE.replace("10.77.1", "10.77.3"), tmp_path / "b")
    most = killed(edge, ["bash", INSTALL, "--detach"], "switch", 0)
    after = at_rest(edge)
    assert difference(before[0], after[0]) != ""
    netc_host(edge, "revert")
    assert difference(before[0], edge.state()) == ""

    for at in points(most, 12):
        assert killed(edge, ["bash", INSTALL, "--detach"], "switch", at) < most
        netc_host(edge, "up", check=False)  # somebody tries that first
        said = netc_host(edge, "revert", check=False)  # or nothing had begun
        assert re.search("rolled back|no change waits", said.stderr), at
        assert difference(before[0], at_rest(edge)[0]) == "", at
        assert at_rest(edge)[1] == before[1], at

    # And on the way back as well.
    install(edge, "--detach")
    most = killed(edge, ["/usr/local/sbin/netc-host", "revert"], "revert", 0)
    for at in points(most, 5):
        install(edge, "--detach")
        killed(edge, ["/usr/local/sbin/netc-host", "revert"], "revert", at)
        netc_host(edge, "revert", check=False)
        assert difference(before[0], at_rest(edge)[0]) == "", at
        assert at_rest(edge)[1] == before[1], at

    said = install(edge, "--detach")
    netc_host(edge, "confirm", token(said))
    assert difference(after[0], edge.state()) == ""


def test_an_uninstall_killed_at_any_moment_completes_or_is_taken_back(lab: Lab, edge: Host, tmp_path: Path) -> None:
    nothing = edge.state(), what_is_there(edge)
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    before = at_rest(edge)
    edge.write(PLACE, KILL)
    most = killed(edge, [PROGRAM, "uninstall"], "uninstall", 0)
    for number, at in enumerate([*points(most, 5), *range(most - 5, most)]):
        install(edge, "--commit")
        assert killed(edge, [PROGRAM, "uninstall"], "uninstall", at) < most
        if is_there(edge):
            said = install(edge, "--dry-run", check=False)
            assert said.returncode == 0 or "netc-host uninstall completes it" in said.stderr
            if said.returncode and number % 2:
                netc_host(edge, "revert")
                assert at_rest(edge) == before, at
            netc_host(edge, "uninstall")
        assert what_is_there(edge) == nothing[1], at
        assert difference(nothing[0], edge.state()) == "", at


def test_an_uninstall_can_be_killed_while_its_own_files_go(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    assert "nothing is installed" in edge.run([f"{TREE}/files{PROGRAM}", "uninstall"], check=False).stderr
    install(edge, "--commit")
    edge.run(["cp", "-a", PROGRAM, "/tmp"])
    netc_host(edge, "uninstall")
    nothing = what_is_there(edge)
    edge.run(["mkdir", "/usr/lib/netc"])
    edge.run(["mv", "/tmp/netc-host", PROGRAM])
    netc_host(edge, "uninstall")
    assert what_is_there(edge) == nothing


def test_a_killed_first_install_says_where_netc_host_is(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """It is not in its place yet, or not any more."""
    before = at_rest(edge)
    edge.write(PLACE, KILL)
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    most = killed(edge, ["bash", INSTALL, "--detach"], "switch", 0)
    seen = set()
    for at in points(most, 6):
        edge.run(told(install(edge, "--dry-run", check=False).stderr))
        assert difference(before[0], at_rest(edge)[0]) == ""
        assert at_rest(edge)[1] == before[1]
        killed(edge, ["bash", INSTALL, "--detach"], "switch", at)
        said = install(edge, "--dry-run", check=False)
        seen.add((said.returncode, told(said.stderr)[0] == "netc-host") if said.returncode else None)
        if not said.returncode:
            install(edge, "--detach")
    assert {(1, True), (1, False)} <= seen


def test_a_change_that_nobody_confirms_rolls_back(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = at_rest(edge)
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    said = install(edge, "--within", "3", check=False)
    assert said.returncode == 1
    assert "nobody confirmed it in time" in said.stderr
    assert difference(before[0], at_rest(edge)[0]) == ""
    assert at_rest(edge)[1] == before[1]


def test_a_change_is_confirmed_by_its_token(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """Over which connection, see test_admin.py."""
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    said = install(edge, "--detach")
    assert "a change waits" in install(edge, check=False).stderr
    assert "not the token" in netc_host(edge, "confirm", "0" * 16, check=False).stderr
    netc_host(edge, "confirm", token(said))
    assert "no change waits" in netc_host(edge, "confirm", token(said), check=False).stderr
    assert "is installed already" in install(edge).stderr


def test_a_modified_tree_is_refused(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = what_is_there(edge)
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    edge.run(["bash", "-c", f"echo >>{TREE}/files/etc/netc/parts/link-one/up"])
    said = install(edge, check=False)
    assert said.returncode == 1
    assert "link-one/up: FAILED" in said.stderr
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    edge.write(f"{TREE}/files/etc/cron.d/more", "x")
    assert "not in MANIFEST: files/etc/cron.d/more" in install(edge, check=False).stderr
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    broken = edge.read(f"{TREE}/files/etc/netc/nftables.nft").replace("policy drop", "polcy drop")
    forge(edge, "files/etc/netc/nftables.nft", broken)
    assert "nft refuses" in install(edge, check=False).stderr
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path / "a")["node"])
    assert "this host is called edge, and this tree is for node" in install(edge, check=False).stderr
    assert what_is_there(edge).replace("/var/lib/netc", "") != ""
    edge.run(["rm", "-rf", "/var/lib/netc"])
    assert what_is_there(edge) == before


def test_a_part_that_does_not_come_up_rolls_the_change_back(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    before = at_rest(edge)
    bring(lab, edge, MORE, tmp_path / "b")
    edge.run(["ip", "link", "add", "vx-two", "type", "bridge"])
    said = install(edge, "--commit", check=False)
    assert said.returncode == 1
    assert "link-two does not come up" in said.stderr
    edge.run(["ip", "link", "delete", "vx-two"])
    assert difference(before[0], at_rest(edge)[0]) == ""
    assert at_rest(edge)[1] == before[1]


def test_foreign_files_and_files_changed_by_hand_are_not_overwritten(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    edge.write("/etc/netc/order", "mine\n")
    said = install(edge, "--commit", check=False)
    assert "not installed by netc, at paths that it needs (--overwrite replaces them): /etc/netc/order" in said.stderr
    assert edge.read("/etc/netc/order") == "mine\n"
    install(edge, "--commit", "--overwrite")
    edge.write("/etc/netc/order", "mine again\n")
    bring(lab, edge, MORE, tmp_path / "b")
    assert "changed by hand since the install" in install(edge, "--commit", check=False).stderr


def test_one_packet_filter_replaces_the_other_without_a_gap(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """The new one stands before the old one goes."""
    before = at_rest(edge)
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    text = TOPOLOGY.replace("[hosts.edge]", '[hosts.edge]\nnetfilter = "iptables"')
    bring(lab, edge, text, tmp_path / "b")
    said = install(edge, "--detach")
    assert "reload   firewall" in said.stdout
    assert edge.run(["nft", "list", "table", "inet", "netc"], check=False).returncode == 1
    assert "-A INPUT -j netc-INPUT" in edge.run(["iptables", "-t", "mangle", "-S"]).stdout
    netc_host(edge, "revert", check=False)
    assert "policy drop" in edge.run(["nft", "list", "table", "inet", "netc"]).stdout
    assert "netc-INPUT" not in edge.run(["iptables", "-t", "mangle", "-S"]).stdout
    netc_host(edge, "uninstall")
    assert difference(before[0], without(at_rest(edge)[0], "table ip6? (filter|mangle|nat|raw|security)")) == ""


SMALL = """
mount -n -t tmpfs -o size=$1k none /mnt
for place in /etc/netc /usr/lib/netc /etc/systemd /var/lib/netc; do
    mkdir -p "$place" "/mnt$place"
    cp -a "$place/." "/mnt$place/"
    mount -n --bind "/mnt$place" "$place"
done
"""
FILL = "cat /dev/zero >/mnt/full 2>/dev/null; true"
FILLED_LATER = """#!/bin/sh
[ "$1" != -f ] || exec echo /etc 0 4096 9999999 0 0
exec /usr/bin/stat "$@"
"""
"""A stat(1) of a disk that something fills when the host has been asked."""


def kib_free(edge: Host) -> int:
    return int(edge.run(["/usr/bin/stat", "-f", "-c", "%f", "/mnt"]).stdout) * 4


def test_a_full_disk_is_found_before_any_change_and_permits_a_rollback(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    edge.run(["bash", "-ec", SMALL, "small", "4000"])
    install(edge, "--commit")
    edge.write("/usr/local/sbin/stat", FILLED_LATER, 0o755)
    before = at_rest(edge)
    bring(lab, edge, MORE.replace("10.77.1", "10.77.3"), tmp_path / "b")
    free = kib_free(edge)
    seen = set()
    for left in range(0, free, free // 7):
        edge.run(["bash", "-c", 'head -c "$1" /dev/zero >/mnt/full', "fill", str((free - left) * 1024)], check=False)
        said = install(edge, "--detach", check=False)
        if said.returncode == 0:
            break
        seen.update(re.findall("no room [a-z]+", said.stderr))
        edge.run(["rm", "-f", "/mnt/full"])
        assert difference(before[0], at_rest(edge)[0]) == ""
        assert at_rest(edge)[1] == before[1]
    assert seen == {"no room in", "no room for"}
    edge.run(["bash", "-c", FILL])
    said = netc_host(edge, "revert", check=False)
    assert "rolled back" in said.stderr
    edge.run(["rm", "-f", "/mnt/full"])
    assert difference(before[0], at_rest(edge)[0]) == ""
    assert at_rest(edge)[1] == before[1]


def test_a_first_install_without_room_for_the_files_leaves_nothing(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    small = SMALL.replace(" /var/lib/netc;", ";")  # whose folder is what should go
    edge.run(["bash", "-ec", small, "small", "4000"])
    edge.run(["bash", "-c", FILL])
    assert re.search("disk: /etc/netc .* 0 KiB free +refused", install(edge, "--detach", check=False).stderr)
    edge.run(["rm", "-f", "/mnt/full"])
    edge.write("/usr/local/sbin/stat", FILLED_LATER, 0o755)
    before = at_rest(edge)
    free = kib_free(edge)
    for left in (0, 40, 80):
        edge.run(["bash", "-c", 'head -c "$1" /dev/zero >/mnt/full', "fill", str((free - left) * 1024)], check=False)
        said = install(edge, "--detach", check=False)
        assert (said.returncode, "no room for the files" in said.stderr) == (1, True), said.stderr
        edge.run(["rm", "-f", "/mnt/full"])
        assert edge.run(["find", "/var/lib/netc"], check=False).stdout == ""
        assert difference(before[0], at_rest(edge)[0]) == ""
        assert at_rest(edge)[1] == before[1]
    install(edge, "--commit")


def test_one_of_two_installs_at_once_is_refused(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    script = (
        f"bash {INSTALL} --commit >/tmp/one 2>&1 & bash {INSTALL} --commit >/tmp/two 2>&1; wait; cat /tmp/one /tmp/two"
    )
    said = edge.run(["bash", "-c", script], timeout=120).stdout
    assert said.count("confirmed") == 1
    assert "another install is under way" in said or "a change waits" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("uninstall --dry-run", "uninstall takes no options"),
        ("down link-one", "down takes no options"),
        ("up link-one", "up takes no options"),
        ("parts all", "parts takes no options"),
        ("revert --help", "revert takes no options"),
        ("back none --dry-run", "back none has no --dry-run"),
        ("back --dry", "install has no option --dry"),
        ("back --within soon", "--within takes seconds"),
        ("stats", "there is no verb stats"),
        ("status --short", "status"),
        ("check link-one", "check"),
    ],
)
def test_invalid_arguments_change_nothing(lab: Lab, edge: Host, tmp_path: Path, words: str, why: str) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    before = at_rest(edge)
    bring(lab, edge, MORE, tmp_path / "b")
    install(edge, "--commit")
    netc_host(edge, "back", "--commit")
    said = netc_host(edge, *words.split(), check=False)
    assert said.returncode == 2
    assert why in said.stderr
    assert "stopping" not in said.stderr
    assert difference(before[0], at_rest(edge)[0]) == ""


def test_back_refuses_if_there_is_no_previous_generation(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """A change that was taken back stands in the history before the one that stayed."""
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--detach")
    assert "a change waits" in netc_host(edge, "back", check=False).stderr
    netc_host(edge, "revert")
    install(edge, "--commit")
    before = at_rest(edge)
    said = netc_host(edge, "back", "--commit", check=False)
    assert (said.returncode, "this is the first generation" in said.stderr) == (1, True)
    edge.run(["sed", "-i", "1d", "/var/lib/netc/history"])  # as if no change had been taken back
    said = netc_host(edge, "back", "--commit", check=False)
    assert (said.returncode, "this is the first generation" in said.stderr) == (1, True)
    assert at_rest(edge) == before


def test_a_pending_change_can_be_repaired_and_confirmed(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    said = install(edge, "--detach")
    edge.run(["ip", "link", "delete", "dev", "vx-node"])
    assert "netc-host up" in netc_host(edge, "confirm", token(said), check=False).stderr
    netc_host(edge, "up")
    netc_host(edge, "confirm", token(said))


def test_up_fails_if_a_part_stays_broken(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    check = "/etc/netc/parts/link-one/check"
    edge.write(check, edge.read(check).replace("finish", "expect 'ip -o link show' vx-none\nfinish"), 0o755)
    said = netc_host(edge, "up", check=False)
    assert (said.returncode, said.stderr.count("is broken: taking it down and up again")) == (1, 1)
    assert "link-one: not up or broken" in said.stderr


def rebooted(host: Host) -> None:
    """As far as netc can tell: nothing is up, and what waits is of another boot."""
    netc_host(host, "down")
    host.write("/var/lib/netc/pending/boot", "11111111-2222-3333-4444-555555555555\n")


def test_a_change_that_was_not_confirmed_before_a_boot_does_not_come_up(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    edge.write("/usr/local/sbin/stat", FILLED_LATER, 0o755)
    before = at_rest(edge)
    bring(lab, edge, MORE.replace("10.77.1", "10.77.3"), tmp_path / "b")
    install(edge, "--detach", "--within", "600")
    rebooted(edge)
    said = netc_host(edge, "up")
    assert "the host started before it was confirmed" in said.stderr
    assert difference(before[0], at_rest(edge)[0]) == ""
    assert at_rest(edge)[1] == before[1]


def test_parts_that_came_up_after_a_boot_go_down_before_a_rollback(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    edge.write("/usr/local/sbin/stat", FILLED_LATER, 0o755)
    before = at_rest(edge)
    bring(lab, edge, MORE.replace("10.77.1", "10.77.3"), tmp_path / "b")
    install(edge, "--detach", "--within", "600")
    rebooted(edge)
    for part in ("firewall", "link-one", "link-two"):
        edge.run(["bash", f"/etc/netc/parts/{part}/up"])
    netc_host(edge, "revert")
    assert difference(before[0], at_rest(edge)[0]) == ""
    assert at_rest(edge)[1] == before[1]


def test_status_and_uninstall_report_a_lost_journal(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    edge.write("/run/netc/link-one", "")  # as after a crash of the host's /run
    assert netc_host(edge, "status", check=False).returncode == 1
    assert "was interrupted" in netc_host(edge, "up").stderr
    assert netc_host(edge, "status").returncode == 0

    edge.run(["rm", "-r", "/run/netc"])
    assert "ip link delete dev vx-node" in netc_host(edge, "up", check=False).stderr
    edge.run(["rm", "-rf", "/run/netc"])
    said = netc_host(edge, "uninstall", check=False)
    assert said.returncode == 1
    assert re.search(r"these are left, since no journal in /run/netc names them:\n.*vx-node", said.stderr)


def test_uninstall_with_intact_journals_reports_nothing_left(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    assert "left" not in netc_host(edge, "uninstall").stderr


ROUTER = (
    TOPOLOGY.replace("[hosts.node]", '[hosts.edge.bgp]\n\n[hosts.node]\nbgp = {}\nloopback = "10.77.8.2/32"').replace(
        "[hosts.edge]", '[hosts.edge]\nloopback = "10.77.8.1/32"'
    )
    + """
[bgp]
asn = 64512
prefixes = "10.77.8.0/24"
internal = "mesh"
over = "one"
profile = "private"
"""
)


def test_bird_reads_its_files_although_somebody_closed_etc_netc(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """BIRD is a user of its own. The folder of the keys comes before everything else, made by hand."""
    bring(lab, edge, ROUTER, tmp_path / "a")
    edge.run(["bash", "-c", "umask 077; mkdir -p /etc/netc/keys"])
    edge.run(["bash", "-c", f"getent passwd bird >/dev/null || useradd bird; umask 077; {INSTALL} --commit"])
    assert edge.run(["stat", "-c", "%a", "/etc/netc", "/etc/netc/keys"]).stdout == "755\n700\n"
    user = "ps -o user= -p $(cat /run/netc/bird.pid)"
    assert edge.run(["bash", "-c", user]).stdout == "bird\n"
    assert netc_host(edge, "check").stdout == ""

    edge.run(["chmod", "700", "/etc/netc"])
    said = netc_host(edge, "check", check=False)
    assert (said.returncode, said.stdout) == (1, "folder /etc/netc has mode 700, not 755\n")


def test_bird_judges_its_configuration_as_the_user_that_it_is(lab: Lab, edge: Host, tmp_path: Path) -> None:
    edge.run(["bash", "-c", "getent passwd bird >/dev/null || useradd bird"])
    bring(lab, edge, ROUTER, tmp_path / "a")
    edge.run(["sed", "-i", "-E", "s,  0644(  files/etc/netc/bird.conf),  0600\\1,", f"{TREE}/MANIFEST"])
    said = install(edge, "--commit", check=False)
    assert said.returncode == 1
    assert "BIRD refuses bird.conf" in said.stderr
    assert "/etc/netc " not in what_is_there(edge)


def test_a_trial_run_leaves_nothing_on_a_host_that_had_nothing(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    places = ["/var/lib/netc", "/etc/netc", "/run/netc", "/usr/lib/netc"]
    assert install(edge, "--dry-run").returncode == 0

    assert [place for place in places if edge.run(["test", "-e", place], check=False).returncode == 0] == []


def of_busybox(host: Host, *programs: str) -> None:
    for program in programs:
        host.run(["ln", "-s", "/bin/busybox", f"/usr/local/sbin/{program}"])


@pytest.mark.parametrize("program", ["find", "flock", "ip", "nsenter", "setsid", "sha256sum", "tail", "tar", "xargs"])
def test_programs_of_busybox_that_lack_something_are_refused_by_name(
    lab: Lab, edge: Host, tmp_path: Path, program: str
) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    of_busybox(edge, program)
    before = edge.state()
    said = install(edge, "--commit", check=False)
    assert said.returncode == 1
    assert f"this host has these programs of busybox, which lack what netc needs: {program} (apt-get" in said.stderr
    assert difference(before, edge.state()) == ""


OTHERS = "awk cat chmod chown cmp cp cut diff du env grep head id kill ln mkdir mkfifo mktemp mount mv od"
OTHERS += " readlink realpath rm rmdir sed seq setpriv sleep sort stat sync tee timeout touch tr uname uniq"
OTHERS += " unshare wc"


def test_all_other_programs_may_be_of_busybox(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = edge.state()
    of_busybox(edge, *OTHERS.split())
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    assert netc_host(edge, "check").stdout == ""
    bring(lab, edge, MORE, tmp_path / "b")
    netc_host(edge, "confirm", token(install(edge, "--detach")))
    assert links(edge) == {"vx-node", "vx-two"}
    assert netc_host(edge, "check").stdout == ""
    netc_host(edge, "status")
    netc_host(edge, "back", "--commit")
    assert links(edge) == {"vx-node"}
    netc_host(edge, "uninstall")
    edge.run(["bash", "-c", "rm -f /usr/local/sbin/*"])
    assert difference(before, edge.state()) == ""
