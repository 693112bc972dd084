"""What every part promises: up twice is up once, failures and kills leave nothing, nobody else's things are touched."""

from __future__ import annotations

from pathlib import Path

import pytest

import night
from live.compiled import EXAMPLES, compiled, down, install, netfilter, parts, script, up
from live.faults import Fault, failures, kills, run_with, steps_of
from live.lab import Host, Lab
from live.state import FORWARDING, State, difference, without

pytestmark = pytest.mark.live

HOSTS = [
    pytest.param(("seedbox", "seedbox", "azire", "nftables"), id="seedbox/seedbox"),
    pytest.param(("seedbox", "seedbox", "azire", "iptables"), id="seedbox/iptables", marks=pytest.mark.again),
    pytest.param(("mesh", "tyo", "host", "nftables"), id="mesh/tyo"),
]
"""Example, host, the name of its key, and its packet filter."""


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Host:
    example, name, key, filter_ = request.param
    netfilter.set(filter_)
    host = install(lab, name, compiled(EXAMPLES / f"{example}.toml", tmp_path), key)
    wan = "ppp0" if name == "tyo" else "eth0"
    lab.wire(host, wan, lab.host("world"), "eth0", a_addresses=("198.51.100.7/24",), b_addresses=("198.51.100.1/24",))
    return host


def tried(host: Host) -> list[str]:
    """All parts; with iptables those that are another for it."""
    again = netfilter.get() == "iptables"
    return [part for part in parts(host) if not again or "load_tables" in host.read(script(part, "up")[1])]


def settled(host: Host) -> State:
    """Forwarding stays on when it was turned on, with what keeps a forwarding host's own default route alive."""
    return without(host.state(), FORWARDING, "/eth0/accept_ra = ")


def before(host: Host, part: str) -> None:
    """Brings up what `part` needs."""
    for earlier in parts(host)[: parts(host).index(part)]:
        host.run(script(earlier, "up"))


@pytest.mark.stock
def test_a_second_up_and_a_reload_change_nothing(host: Host) -> None:
    start = settled(host)
    up(host)
    once = host.state()
    up(host)
    assert difference(once, host.state()) == ""
    for part in parts(host):
        if host.run(["test", "-e", script(part, "reload")[1]], check=False).returncode == 0:
            host.run(script(part, "reload"))
    again = without(host.state(), r"^$")
    assert difference(once, again) == ""
    down(host)

    assert difference(start, settled(host)) == ""


def test_down_of_a_part_that_was_never_up_succeeds_and_changes_nothing(host: Host) -> None:
    start = host.state()
    down(host)

    assert difference(start, host.state()) == ""


def test_down_succeeds_if_another_part_removed_a_shared_directory_first(host: Host) -> None:
    """Of two that go down at once, both find that they are the last one."""
    faster = '#!/bin/bash\n[[ "$*" != */run/netc ]] || /bin/rmdir /run/netc 2>/dev/null\nexec /bin/rmdir "$@"\n'
    part = parts(host)[0]
    host.run(script(part, "up"))
    host.write("/usr/local/sbin/rmdir", faster, 0o755)
    host.run(script(part, "down"))

    assert host.run(["test", "-e", "/run/netc"], check=False).returncode == 1


def test_a_failed_step_undoes_the_whole_run(host: Host) -> None:
    for part in tried(host):
        before(host, part)
        start = settled(host)
        steps = steps_of(host.read(script(part, "up")[1]))
        assert steps
        for fault in night.some(failures(len(steps))):
            done = run_with(host, script(part, "up"), fault)
            assert done.returncode != 0
            assert f"failed: {steps[fault.step - 1]}" in done.stderr.replace("'", "")
            assert difference(start, settled(host)) == "", f"{part}: {fault}"
        host.run(script(part, "up"))


@pytest.mark.stock
@pytest.mark.parametrize("then", ["up", "down"])
def test_after_a_kill_at_any_moment_the_next_run_ends_clean(host: Host, then: str) -> None:
    for part in tried(host):
        before(host, part)
        start = settled(host)
        host.run(script(part, "up"))
        good = host.state()
        host.run(script(part, "down"))
        for fault in night.some(kills(len(steps_of(host.read(script(part, "up")[1]))))):
            done = run_with(host, script(part, "up"), fault)
            assert done.returncode == -9 or done.returncode == 137
            host.run(script(part, then))
            if then == "up":
                assert difference(good, host.state()) == "", f"{part}: {fault}"
                host.run(script(part, "down"))
            else:
                assert difference(start, settled(host)) == "", f"{part}: {fault}"
        assert difference(start, settled(host)) == ""
        host.run(script(part, "up"))


def test_the_next_run_completes_a_down_that_was_killed(host: Host) -> None:
    for part in tried(host):
        before(host, part)
        start = settled(host)
        for then in ("down", "up"):
            host.run(script(part, "up"))
            good = host.state()
            host.run(["bash", "-c", f"sed 's/^finish/kill -9 $$/' {script(part, 'down')[1]} >/tmp/half"])
            half = f"/etc/netc/parts/{part}/half"
            host.run(["bash", "-c", f"install -m 755 /tmp/half {half}; {half}; rm {half}"], check=False)
            host.run(script(part, then))
            if then == "up":
                assert difference(good, host.state()) == ""
                host.run(script(part, "down"))
            assert difference(start, settled(host)) == ""
        host.run(script(part, "up"))


def test_concurrent_runs_of_a_part_wait_for_each_other(host: Host) -> None:
    for part in parts(host):
        runs = [host.start(script(part, "up")) for _ in range(4)]
        assert [run.wait(60) for run in runs] == [0, 0, 0, 0]

    start = host.state()
    up(host)
    assert difference(start, host.state()) == ""


def test_a_key_that_others_can_read_is_refused_before_anything_is_touched(host: Host) -> None:
    keys = host.run(["bash", "-c", "echo /etc/netc/keys/*"]).stdout.split()
    part = next(part for part in reversed(parts(host)) if "secret" in host.read(script(part, "up")[1]))
    before(host, part)
    start = host.state()
    for spoil, said in (
        ("chmod 644", "only root may have access"),
        ("chown nobody", "only root may have access"),
        (": >", "missing"),
    ):
        host.run(["bash", "-c", f"cp -a {keys[0]} /tmp/key; {spoil} {keys[0]}"])
        done = host.run(script(part, "up"), check=False)
        host.run(["cp", "-a", "/tmp/key", keys[0]])
        assert done.returncode != 0
        assert said in done.stderr
        assert difference(start, host.state()) == ""


def test_a_foreign_interface_is_neither_used_nor_removed(host: Host) -> None:
    part = parts(host)[-1]
    name = next(step.split()[1] for step in steps_of(host.read(script(part, "up")[1])) if step.startswith("wireguard"))
    before(host, part)
    host.run(["ip", "link", "add", "dev", name, "type", "bridge"])
    start = host.state()

    assert host.run(script(part, "up"), check=False).returncode != 0
    host.run(script(part, "down"))
    assert difference(start, host.state()) == ""
    host.run(["ip", "link", "delete", "dev", name])
    host.run(script(part, "up"))
    where = ["-n", "vpn"] if "namespace-vpn" in parts(host) else []
    host.run(["ip", *where, "link", "delete", "dev", name])
    host.run(["ip", "link", "add", "dev", name, "type", "bridge"])
    host.run(script(part, "down"))

    assert host.run(["ip", "link", "show", "dev", name]).returncode == 0


def test_foreign_tables_rules_routes_and_sets_stay(host: Host) -> None:
    for command in (
        "nft 'add table inet theirs; add chain inet theirs c { type filter hook input priority 0; }'",
        "ip rule add pref 5230 fwmark 0x80000/0xff0000 lookup 52",
        "ip route add 192.0.2.128/25 dev lo table 52",
        "ip -6 rule add pref 5230 fwmark 0x80000/0xff0000 lookup 52",
        "ipset create theirs hash:net",
        "ip link add dev theirs type bridge",
    ):
        host.run(["bash", "-c", command])
    start = settled(host)
    up(host)
    down(host)

    assert difference(start, settled(host)) == ""


def test_a_missing_tool_is_named_before_anything_is_touched(host: Host) -> None:
    part = parts(host)[-1]
    before(host, part)
    start = host.state()
    host.run(["bash", "-c", "mkdir /tmp/bin; ln -s $(type -P bash dirname realpath tail flock mkdir ip nft) /tmp/bin/"])
    done = host.run(["env", "PATH=/tmp/bin", *script(part, "up")], check=False)
    host.run(["rm", "-r", "/tmp/bin"])

    assert done.returncode != 0
    assert "apt-get install wireguard-tools" in done.stderr
    assert difference(start, host.state()) == ""


def test_an_injected_fault_hits_the_step_that_it_names(host: Host) -> None:
    """The journal names the step in doubt, and the next run says so."""
    part = parts(host)[-1]
    before(host, part)
    steps = steps_of(host.read(script(part, "up")[1]))
    run_with(host, script(part, "up"), Fault("noted", 2))
    said = host.run(script(part, "up")).stderr

    assert f"was interrupted at: {steps[1]}" in said
