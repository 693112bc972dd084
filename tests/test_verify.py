"""The judges pass what is right, fail what is wrong, and admit it when they could not look."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from netc.emit.file import File
from netc.pipeline import compile_hosts, understand
from netc.verify import (
    JUDGES,
    Outcome,
    Verdict,
    bash,
    bird,
    iptables,
    namespace,
    nft,
    nft_kernel,
    process,
    shellcheck,
    systemd,
    verify,
    verify_all,
)

needs_systemd = pytest.mark.skipif(process.find("systemd-analyze") is None, reason="no systemd-analyze")
needs_nft = pytest.mark.skipif(
    process.find("nft") is None or isinstance(namespace.enter(), process.Silence), reason="no nft, or no namespaces"
)

STEPS = File(
    "files/usr/lib/netc/steps.bash",
    """\
# Sourced by every script of a part: source /usr/lib/netc/steps.bash PART VERB
set -euo pipefail
part=$1 verb=$2
step() { printf '%s\\n' "$*" >> "/run/netc/$part"; "$@"; }
finish() { trap - EXIT; }
""",
)
UP = File(
    "files/etc/netc/parts/link-home/up",
    """\
#!/usr/bin/env bash
# links.home
source /usr/lib/netc/steps.bash link-home up

step ip link add dev wg-home type wireguard
step ip -4 address add 10.77.0.1/31 dev wg-home
finish
""",
    0o755,
)
DOWN = replace(UP, path="files/etc/netc/parts/link-home/down", text=UP.text.replace(" add ", " delete "))
RULESET = File(
    "files/etc/netc/nftables.nft",
    """\
table inet netc
delete table inet netc
table inet netc {
    set direct {
        type ipv4_addr
        flags interval
        elements = { 10.0.0.0/8, 192.168.0.0/16 }
    }
    chain forward {
        type filter hook forward priority filter; policy drop
        iifname "wg-home" ip daddr @direct accept
        meta skgid "netc-no-such-group" drop
    }
}
include "/etc/netc/sets/many.nft"
""",
)
INCLUDED = File("files/etc/netc/sets/many.nft", "add element inet netc direct { 172.16.0.0/12 }\n")
ELEMENTS = File(
    "files/etc/netc/sets/direct.nft", "flush set inet netc direct\nadd element inet netc direct { 10.0.0.0/9 }\n"
)
SERVICE = File(
    "files/etc/systemd/system/netc-link-home.service",
    """\
[Unit]
Description=netc: links.home
After=network-pre.target nftables.service
Wants=network-pre.target
Before=netc.target
PartOf=netc.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/netc/parts/link-home/up
ExecStop=/etc/netc/parts/link-home/down
ExecStopPost=-/usr/sbin/sysctl --system

[Install]
WantedBy=netc.target
""",
)
DROP_IN = File(
    "files/etc/systemd/system/transmission-daemon.service.d/50-netc.conf",
    """\
[Unit]
BindsTo=netc-link-home.service
After=netc-link-home.service

[Service]
NetworkNamespacePath=/run/netns/vpn
BindReadOnlyPaths=/etc/netns/vpn/resolv.conf:/etc/resolv.conf
""",
)
TARGET = File(
    "files/etc/systemd/system/netc.target",
    """\
[Unit]
Description=netc
Wants=netc-link-home.service
After=netc-link-home.service

[Install]
WantedBy=multi-user.target
""",
)
TIMER = File(
    "files/etc/systemd/system/netc-check.timer",
    "[Unit]\nDescription=netc: check\n\n[Timer]\nOnBootSec=1min\nOnUnitActiveSec=1min\n",
)
CHECK = File(
    "files/etc/systemd/system/netc-check.service",
    "[Unit]\nDescription=netc: check\n\n[Service]\nType=oneshot\nExecStart=/usr/local/sbin/netc-host check\n",
)
NETC_HOST = File("files/usr/local/sbin/netc-host", "#!/usr/bin/env bash\necho fine\n", 0o755)
INSTALL = File("install", "#!/usr/bin/env bash\nset -eu\ncp -r files/. /\n", 0o755)
OTHER = File("files/etc/netc/wireguard/wg-home.conf", "[Interface]\nListenPort = 51820\n")

RULES = File(
    "files/etc/netc/iptables.rules",
    """\
*mangle
:netc-OUTPUT - [0:0]
-A netc-OUTPUT -m owner --gid-owner netc-no-such-group -m set --match-set china4 dst -j RETURN
COMMIT
""",
)
RULES6 = File("files/etc/netc/ip6tables.rules", RULES.text.replace("china4", "china6"))
IPSET = File(
    "files/etc/netc/sets/china.ipset",
    """\
create -exist china4 hash:net family inet maxelem 16777077
create -exist china4-new hash:net family inet maxelem 16777077
flush china4-new
add china4-new 10.0.0.0/8
swap china4-new china4
destroy china4-new
""",
)

BIRD = File(
    "files/etc/netc/bird.conf",
    """\
router id 192.0.2.1;
protocol device { }
protocol static own4 { ipv4; route 192.0.2.0/24 unreachable; include "/etc/netc/roa.conf"; }
protocol bgp x {
  local as 64500;
  neighbor 198.51.100.2 as 64501;
  include "/run/netc/bird.passwords/x";
  ipv4 { import none; export none; };
}
""",
)

UNITS = (SERVICE, DROP_IN, TARGET, TIMER, CHECK)
HOST = (STEPS, UP, DOWN, RULESET, INCLUDED, ELEMENTS, RULES, RULES6, IPSET, BIRD, *UNITS, NETC_HOST, INSTALL, OTHER)


def altered(file: File, old: str, new: str) -> File:
    assert old in file.text
    return replace(file, text=file.text.replace(old, new))


def with_file(changed: File) -> tuple[File, ...]:
    return (*(file for file in HOST if file.path != changed.path), changed)


def failures(verdicts: tuple[Verdict, ...]) -> dict[str, str]:
    assert all(verdict.outcome is not Outcome.COULD_NOT_RUN for verdict in verdicts), verdicts
    return {verdict.subject: verdict.detail for verdict in verdicts if verdict.outcome is Outcome.FAILED}


def without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(process, "ADMIN_FOLDERS", ())
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


# ---------------------------------------------------------------- all of them


@needs_nft
@needs_systemd
def test_a_good_host_passes_every_judge() -> None:
    verdicts = verify(HOST)

    assert [v for v in verdicts if v.outcome is not Outcome.PASSED] == []
    assert [(v.judge, v.subject) for v in verdicts] == [
        *(("bash -n", file.path) for file in sorted((INSTALL, STEPS, UP, DOWN, NETC_HOST), key=lambda f: f.path)),
        *(("shellcheck", file.path) for file in sorted((INSTALL, STEPS, UP, DOWN, NETC_HOST), key=lambda f: f.path)),
        *(("nft -c", file.path) for file in sorted((RULESET, INCLUDED, ELEMENTS), key=lambda f: f.path)),
        *(("iptables-restore", file.path) for file in (RULES6, RULES, IPSET)),
        ("bird -p", BIRD.path),
        *(("systemd-analyze verify", file.path) for file in sorted(UNITS, key=lambda f: f.path)),
    ]


def test_a_verdict_does_not_depend_on_the_order_of_files() -> None:
    assert verify(HOST) == verify(HOST[::-1])


def test_no_files_give_no_verdicts() -> None:
    assert verify(()) == ()


def test_a_missing_tool_is_reported_and_never_counts_as_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_programs(monkeypatch, tmp_path)
    verdicts = verify(HOST)

    assert len(verdicts) == len(JUDGES)
    assert {verdict.outcome for verdict in verdicts} == {Outcome.COULD_NOT_RUN}
    subjects = ["5 scripts", "5 scripts", "3 rulesets", "3 files", BIRD.path, "5 units"]
    assert [verdict.subject for verdict in verdicts] == subjects
    assert all("missing. To enable: " in verdict.detail for verdict in verdicts)


def test_a_judge_over_its_cpu_limit_gives_no_verdict_and_a_sleeping_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "CPU_SECONDS", 1)
    bash = process.find("bash") or "bash"

    assert process.ask((bash, "-c", "sleep 2.5; echo there")) == process.Answer(0, "there\n")
    assert process.ask((bash, "-c", "while :; do :; done")) == process.Silence(
        "bash did not finish within 1 s of CPU time"
    )


def test_a_judge_that_hangs_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TIMEOUT_SECONDS", 0.1)
    answer = process.ask((process.find("sleep") or "sleep", "5"))

    assert answer == process.Silence("sleep did not finish within 0.1 s")


def test_a_crash_is_distinguished_from_an_answer() -> None:
    answer = process.ask((process.find("bash") or "bash", "-c", "kill -SEGV $$"))

    assert isinstance(answer, process.Answer)
    assert process.died(answer) == "the tool died of signal 11 (Segmentation fault)\n"


# ---------------------------------------------------------------- bash -n, shellcheck


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("finish\n", "if true; then finish\n", "syntax error: unexpected end of file"),
        ("finish\n", "finish )\n", "syntax error near unexpected token `)'"),
        ("finish\n", 'step echo "\n', "unexpected EOF while looking for matching"),
        ("finish\n", "cat << END\nfinish\n", "delimited by end-of-file"),
    ],
)
def test_bash_refuses_what_it_cannot_read(old: str, new: str, complaint: str) -> None:
    failed = failures(bash.judge(with_file(altered(UP, old, new))))

    assert list(failed) == [UP.path]
    assert complaint in failed[UP.path]


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        (UP, "finish\n", 'if [ "$verb" = up ]; then\n', "SC1073"),
        (UP, "finish\n", "step ip link set dev $device up\n", "SC2154"),
        (UP, "finish\n", "step cat $verb\n", "SC2086"),
        (UP, "finish\n", "step echo `date`\n", "SC2006"),
        (UP, "#!/usr/bin/env bash\n", "", "SC2148"),
        (UP, "finish\n", "unused=1\nfinish\n", "SC2034"),
        (UP, "/usr/lib/netc/steps.bash", "/usr/lib/netc/stesp.bash", "SC1091"),
        (STEPS, '"/run/netc/$part"', "/run/netc/$part", "SC2086"),
    ],
)
def test_shellcheck_finds_faults(file: File, old: str, new: str, code: str) -> None:
    failed = failures(shellcheck.judge(with_file(altered(file, old, new))))

    assert list(failed) == [file.path]
    assert code in failed[file.path]


def test_shellcheck_knows_what_steps_bash_sets() -> None:
    reads = altered(UP, "finish\n", 'step echo "$part" "$verb"\nfinish\n')
    unset = altered(STEPS, "part=$1 verb=$2", "part=$1")

    assert failures(shellcheck.judge((STEPS, reads))) == {}
    assert "SC2154" in failures(shellcheck.judge((unset, reads)))[reads.path]


@pytest.mark.parametrize("judge", [bash, shellcheck])
def test_equal_files_of_two_hosts_are_judged_once(judge: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not beside another library."""
    asked: list[str] = []
    ask = process.ask

    def noted(command: Sequence[str], folder: Path | None = None, text: str = "") -> process.Answer | process.Silence:
        asked.extend(text.splitlines()[:1] or command[command.index("--") + 1 :])
        return ask(command, folder, text)

    monkeypatch.setattr(process, "ask", noted)
    mine, other = (altered(UP, "finish\n", f"# {judge.JUDGE} {number}\nfinish\n") for number in (1, 2))
    first = judge.judge((STEPS, mine))
    before = len(asked)
    assert judge.judge((STEPS, mine)) == first
    assert len(asked) == before
    judge.judge((STEPS, other))
    assert len(asked) == before + 1
    judge.judge((replace(STEPS, text=f"{STEPS.text}# {judge.JUDGE}\n"), mine))
    assert len(asked) == before + (2 if judge is bash else 3)


FAULTS = [
    ("finish\n", "step echo $verb\nfinish\n"),
    ("finish\n", "step echo `date`\nfinish\n"),
    ("finish\n", "unused=1\nfinish\n"),
    ("finish\n", "step echo $device\nfinish\n"),
    ("finish\n", "exit 0\nfinish\n"),
    ("finish\n", "cd /tmp\nstep ls *\nfinish\n"),
    ("finish\n", "cat <<end\nstep\nend\nstep echo $verb\n"),
    ("finish\n", "find / |\n  xargs rm\n"),
    ("finish\n", "find /tmp |\nxargs rm\n"),
    ("finish\n", "if true\nfinish\n"),
    ("finish\n", 'step "a\nfinish\n'),
    ("/usr/lib/netc/steps.bash", "/usr/lib/netc/stesp.bash"),
    ("#!/usr/bin/env bash\n", ""),
]
"""In a host's own file, as somebody might write the printer of it."""


def of_hosts(text: str = UP.text) -> dict[str, tuple[File, ...]]:
    """Five hosts that are alike, as hosts are; `text` is of the third."""
    texts = {f"h{n}": UP.text.replace("10.77.0.", f"10.77.{n}.").replace("link-home", f"link-{n}") for n in range(5)}
    texts["h2"] = text
    return {host: (STEPS, replace(UP, text=own)) for host, own in texts.items()}


def of_all(hosts: dict[str, tuple[File, ...]]) -> dict[str, dict[str, str]]:
    return {host: failures(verdicts) for host, _, verdicts in verify_all(hosts.items())}


@pytest.mark.parametrize(("old", "new"), FAULTS)
def test_a_fault_of_one_of_several_similar_hosts_is_reported_for_it_only(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = of_hosts(altered(UP, old, new).text)
    monkeypatch.setattr(shellcheck, "_said", {})
    told = of_all(hosts)
    monkeypatch.setattr(shellcheck, "_said", {})
    alone = failures(verify(hosts["h2"]))

    assert alone[UP.path]
    assert told == {"h0": {}, "h1": {}, "h2": alone, "h3": {}, "h4": {}}


@pytest.mark.parametrize(
    ("good", "bad", "code"),
    [
        ("ask me", "ask", "SC2119"),  # a command that nobody gives words, while its library reads them
        ("find /tmp |\nask me", "find /tmp |\nxargs rm", "SC2038"),
        ('read -r device\nstep echo "$device"', 'step echo "$device"', "SC2154"),
        ('# shellcheck disable=SC2154\nstep echo "$device"', 'step echo "$device"', "SC2154"),
    ],
)
def test_a_fault_that_lines_of_another_host_could_hide_is_reported(
    good: str, bad: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = replace(STEPS, text=f'{STEPS.text}ask() {{ echo "$1"; }}\n')
    hosts = {
        host: (library, replace(UP, text=UP.text.replace("finish\n", f"{lines}\nfinish\n")))
        for host, lines in {"good": good, "bad": bad}.items()
    }
    alone = {host: failures(verify(files)) for host, files in hosts.items()}

    assert code in alone["bad"][UP.path]
    for order in (hosts, dict(reversed(hosts.items()))):
        monkeypatch.setattr(shellcheck, "_said", {})
        assert of_all(order) == alone


def test_a_fault_in_a_shared_file_is_reported_for_every_host() -> None:
    broken = altered(STEPS, '"/run/netc/$part"', "/run/netc/$part")
    told = of_all({host: (broken, *files[1:]) for host, files in of_hosts().items()})

    assert len(told) == 5
    assert all(set(failed) == {STEPS.path} and "SC2086" in failed[STEPS.path] for failed in told.values())


def test_two_hosts_may_have_different_libraries_at_the_same_path() -> None:
    other = altered(STEPS, "part=$1 verb=$2", "part=$1")
    reads = altered(UP, "finish\n", 'step echo "$verb"\nfinish\n')
    told = of_all({"a": (STEPS, reads), "b": (other, reads)})

    assert told["a"] == {}
    assert "SC2154" in told["b"][UP.path]


def test_shared_files_and_similar_scripts_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = process.ask

    def noted(command: Sequence[str], folder: Path | None = None, text: str = "") -> process.Answer | process.Silence:
        if "shellcheck" in command[0]:
            asked.extend(command[command.index("--") + 1 :])
        return ask(command, folder, text)

    monkeypatch.setattr(shellcheck, "_said", {})
    monkeypatch.setattr(process, "ask", noted)
    told = of_all(of_hosts())

    assert not any(told.values())
    assert sorted(path.partition("/")[2] for path in asked) == sorted((STEPS.path, UP.path))


def test_a_batch_that_could_not_run_is_reported_for_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shellcheck, "_said", {})
    monkeypatch.setattr(shellcheck, "_comments", lambda _: None)
    for _, _, verdicts in verify_all(of_hosts().items()):
        (said,) = (verdict for verdict in verdicts if verdict.judge == "shellcheck")
        assert (said.subject, said.outcome) == ("2 scripts", Outcome.COULD_NOT_RUN)


def test_only_scripts_are_judged_as_scripts() -> None:
    assert shellcheck.judge((OTHER, RULESET, SERVICE)) == ()
    assert bash.judge((OTHER, RULESET, SERVICE)) == ()


def test_a_shellcheck_that_fails_gives_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "shellcheck"
    broken.write_text("#!/bin/sh\necho out of luck >&2\nexit 4\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (verdict,) = shellcheck.judge((UP,))

    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert "status 4: out of luck" in verdict.detail


# ---------------------------------------------------------------- nft -c


@needs_nft
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("policy drop", "policy dorp", "syntax error"),
        ("@direct accept", "@driect accept", "No such file or directory"),
        ("accept\n", "jump nowhere\n", "No such file or directory"),
        ("iifname", "iif", "Interface does not exist"),
        ("ip daddr @direct", "ip6 daddr @direct", "datatype mismatch"),
        ("type ipv4_addr", "type ipv4_address", "unknown datatype"),
        ("hook forward", "hook forwrad", "unknown chain hook"),
        ("type filter", "type nat", "Operation not supported"),
        ("sets/many.nft", "sets/mayn.nft", "File not found: /etc/netc/sets/mayn.nft"),
        ("delete table inet netc\n", "destroy chain inet netc x y\n", "syntax error"),
    ],
)
def test_nft_refuses_a_faulty_ruleset(old: str, new: str, complaint: str) -> None:
    failed = failures(nft.judge((altered(RULESET, old, new), *((INCLUDED,) if "mayn" not in new else ()))))

    assert RULESET.path in failed
    assert complaint in failed[RULESET.path]


@needs_nft
def test_nft_judges_an_included_file_as_a_part() -> None:
    failed = failures(nft.judge((RULESET, altered(INCLUDED, "172.16.0.0/12", "fd77::/16"))))

    assert set(failed) == {RULESET.path, INCLUDED.path}
    assert failed[INCLUDED.path].startswith(f"included by {RULESET.path}")


@needs_nft
def test_nft_judges_elements_on_top_of_the_set_that_they_belong_to() -> None:
    failed = failures(nft.judge((RULESET, INCLUDED, altered(ELEMENTS, "10.0.0.0/9", "10.0.0.0/99"))))

    assert set(failed) == {ELEMENTS.path}
    assert set(failures(nft.judge((ELEMENTS,)))) == {ELEMENTS.path}


@needs_nft
def test_nft_judges_every_ruleset_alone() -> None:
    other = File("files/etc/netc/namespaces/vpn.nft", "table inet netc {\n chain a {\n  jump forward\n }\n}\n")

    assert set(failures(nft.judge((RULESET, INCLUDED, other)))) == {other.path}


@needs_nft
def test_nft_accepts_devices_and_owners_that_only_the_target_has() -> None:
    ingress = 'chain i {\n type filter hook ingress device "wg-gone" priority 0\n }'
    rule = 'oif "wg-gone" meta skuid != _gone meta skgid gone-too accept'
    group = 'socket cgroupv2 level 2 "a.slice/gone.service" accept'
    owner = f"chain o {{\n type filter hook output priority 0\n {rule}\n {group}\n }}"
    ruleset = File(RULESET.path, f"table netdev netc {{\n {ingress}\n}}\ntable inet netc {{\n {owner}\n}}\n")

    # `oif` wants the device on every kernel, the chain only before Linux 6.16.
    assert failures(nft.judge((ruleset,))) == {}


@needs_nft
def test_an_unknown_group_gives_no_verdict_and_hides_no_fault() -> None:
    unknown = altered(RULESET, '"netc-no-such-group"', '{ "netc-no-such-group" }')
    (verdict, _) = nft.judge((unknown, INCLUDED))

    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert "To enable: write the group's number" in verdict.detail
    assert RULESET.path in failures(nft.judge((altered(unknown, "@direct accept", "@driect accept"), INCLUDED)))


@needs_nft
def test_a_feature_that_this_kernel_lacks_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    # `jump nowhere` is refused by every kernel, and in the same words as a feature that is not there.
    refused = altered(RULESET, "accept\n", "jump nowhere\n")
    monkeypatch.setitem(nft_kernel._FEATURES, "jump", nft_kernel._rule("filter hook input", "jump nowhere"))
    (verdict,) = nft.judge((altered(refused, 'include "/etc/netc/sets/many.nft"\n', ""),))

    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert verdict.detail.startswith("this kernel lacks jump. To enable: ")


@needs_nft
def test_a_missing_feature_hides_no_fault_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nft_kernel._FEATURES, "jump", nft_kernel._rule("filter hook input", "jump nowhere"))
    refused = altered(RULESET, "accept\n", "jump nowhere\n        goto nirvana\n")

    assert "nirvana" in failures(nft.judge((refused, INCLUDED)))[RULESET.path]


@needs_nft
def test_a_flowtable_is_judged_where_the_kernel_has_them() -> None:
    flow = "flowtable f {\n hook ingress priority 0\n devices = { wg-home }\n }"
    rule = "chain c {\n type filter hook forward priority 0\n ct state established flow add @f\n }"
    (verdict,) = nft.judge((File(RULESET.path, f"table inet netc {{\n {flow}\n {rule}\n}}\n"),))
    there = namespace.enter()

    assert not isinstance(there, process.Silence)
    lacks = nft_kernel._is_refused("flowtable", there)
    assert verdict.outcome is (Outcome.COULD_NOT_RUN if lacks else Outcome.PASSED)


@needs_nft
def test_nft_without_root_judges_or_reports_why_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    # In a namespace of users even root has no right to enlarge the buffer that a transaction must fit into.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    there = namespace.enter()
    if isinstance(there, process.Silence):
        pytest.skip("users cannot make namespaces here")
    assert "--map-root-user" in there
    rules = "\n".join(f'iifname "a{n}" tcp dport {n + 1} counter accept' for n in range(5000))
    many = File("files/etc/netc/many.nft", f"table inet many {{\n chain c {{\n {rules}\n }}\n}}\n")
    ruleset, included, too_long = nft.judge((RULESET, INCLUDED, many))

    assert (ruleset.outcome, included.outcome) == (Outcome.PASSED, Outcome.PASSED)
    assert too_long.outcome is Outcome.COULD_NOT_RUN
    assert "Message too long" in too_long.detail
    assert "To enable: run as root" in too_long.detail


def test_nft_without_namespaces_reports_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program, text in {"nft": "exit 0", "unshare": "echo unshare: Operation not permitted >&2; exit 1"}.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (verdict,) = nft.judge((RULESET,))

    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert "Operation not permitted\nTo enable: run as root, or allow users to make namespaces" in verdict.detail


# ---------------------------------------------------------------- iptables-restore and ipset


@needs_nft
def test_rules_and_ipsets_load_without_groups_and_sets_of_the_target() -> None:
    heard = iptables.judge((RULES, RULES6, IPSET, OTHER))

    assert [(verdict.subject, verdict.outcome) for verdict in heard] == [
        (file.path, Outcome.PASSED) for file in (RULES, RULES6, IPSET)
    ]


@needs_nft
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("-j RETURN", "-j netc-nowhere", "netc-nowhere"),
        ("--match-set china4", "--match-set", "line: 3"),
        ("*mangle", "*mangel", "mangel"),
        ("-j RETURN", "-j REJECT", "line 3"),
        ("COMMIT\n", "-A netc-OUTPUT -s 2001:db8::1\nCOMMIT\n", "2001:db8::1"),
    ],
)
def test_a_broken_rule_is_found_with_its_line(old: str, new: str, complaint: str) -> None:
    failed = failures(iptables.judge((altered(RULES, old, new), RULES6)))

    assert set(failed) == {RULES.path}
    assert complaint in failed[RULES.path]


@needs_nft
@pytest.mark.parametrize(
    ("old", "new"),
    [("10.0.0.0/8", "0.0.0.0/0"), ("swap china4-new china4", "swap china4-new china6"), ("-exist", "-exits")],
)
def test_a_broken_ipset_is_found(old: str, new: str) -> None:
    assert set(failures(iptables.judge((altered(IPSET, old, new), RULES)))) == {IPSET.path}


def test_a_missing_iptables_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    find = process.find
    monkeypatch.setattr(process, "find", lambda program: None if "iptables" in program else find(program))
    (verdict,) = iptables.judge((RULES, IPSET))

    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert "apt-get install iptables" in verdict.detail


# ---------------------------------------------------------------- bird -p


@pytest.mark.skipif(process.find("bird") is None, reason="no bird")
@pytest.mark.parametrize(("old", "new"), [("import none", "imprt none"), ("own4 {", "own4 "), ("64501", "x")])
def test_a_configuration_that_bird_cannot_read_is_found_with_its_line(old: str, new: str) -> None:
    failed = failures(bird.judge((altered(BIRD, old, new),)))

    assert set(failed) == {BIRD.path}
    assert re.search(r"line \d+:\d+ syntax error|line \d+:\d+", failed[BIRD.path])


# ---------------------------------------------------------------- systemd-analyze verify


@needs_systemd
@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        (SERVICE, "[Install]", "[Instal]", "Unknown section 'Instal'"),
        (SERVICE, "RemainAfterExit=", "RemainsAfterExit=", "Unknown key 'RemainsAfterExit'"),
        (SERVICE, "Type=oneshot", "Type=onshot", "Failed to parse service type"),
        (SERVICE, "RemainAfterExit=yes", "RemainAfterExit=perhaps", "Failed to parse"),
        (SERVICE, "link-home/down", "link-hmoe/down", "/etc/netc/parts/link-hmoe/down is not executable"),
        (SERVICE, "Type=oneshot", "Type=oneshot\nRestart=always", "isn't allowed for Type=oneshot"),
        (SERVICE, "PartOf=netc.target", "Requires=netc-gone.service", "Unit netc-gone.service not found"),
        (SERVICE, "PartOf=netc.target", "Before=network-pre.target sysinit.target", "ordering cycle"),
        (DROP_IN, "NetworkNamespacePath=", "NetworkNamespace=", "Unknown key 'NetworkNamespace'"),
        (DROP_IN, "=/run/netns/vpn", "=netns/vpn", "path is not absolute"),
        (DROP_IN, "BindsTo=netc-link-home", "BindsTo=netc-link-hmoe", "netc-link-hmoe.service not found"),
        (TARGET, "After=netc", "Before=netc", "ordering cycle"),
        (TIMER, "OnBootSec=1min", "OnBootSec=1 miinute", "Failed to parse"),
    ],
)
def test_systemd_finds_faults(file: File, old: str, new: str, complaint: str) -> None:
    failed = failures(systemd.judge(with_file(altered(file, old, new))))

    assert complaint in failed[file.path]


@needs_systemd
def test_systemd_blames_only_the_file_that_is_wrong() -> None:
    failed = failures(systemd.judge(with_file(altered(DROP_IN, "NetworkNamespacePath=", "NetworkNamespace="))))

    assert set(failed) == {DROP_IN.path}


@needs_systemd
def test_systemd_requires_commands_of_netc_to_be_executable() -> None:
    without = tuple(file for file in HOST if file is not NETC_HOST)

    assert "netc-host is not executable" in failures(systemd.judge(without))[CHECK.path]
    assert "is not executable" in failures(systemd.judge(with_file(replace(UP, mode=0o644))))[SERVICE.path]


@needs_systemd
def test_systemd_judges_drop_ins_of_templates() -> None:
    drop_in = replace(DROP_IN, path="files/etc/systemd/system/ss-server@.service.d/50-netc.conf")
    no_namespace = altered(drop_in, "BindsTo=netc-link-home", "BindsTo=netc-link-hmoe")

    assert failures(systemd.judge((*HOST, drop_in))) == {}
    assert set(failures(systemd.judge((*HOST, no_namespace)))) == {drop_in.path}


@needs_systemd
def test_settings_of_the_user_do_not_weaken_a_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMD_LOG_LEVEL", "emerg")
    monkeypatch.setenv("SHELLCHECK_OPTS", "--exclude=SC2086")
    unit = altered(SERVICE, "RemainAfterExit=", "RemainsAfterExit=")
    script = altered(UP, "finish\n", "step cat $verb\n")

    assert set(failures(systemd.judge(with_file(unit)))) == {unit.path}
    assert set(failures(shellcheck.judge(with_file(script)))) == {script.path}


@needs_systemd
def test_systemd_finds_a_cycle_with_the_order_of_a_boot() -> None:
    early = "Wants=network.target network-online.target\nBefore=network.target\nAfter=network-online.target"
    failed = failures(systemd.judge(with_file(altered(SERVICE, "PartOf=netc.target", early))))

    assert "ordering cycle" in failed[SERVICE.path]


@pytest.mark.parametrize("words", ["Option --root is only supported for cat-config", ""])
def test_a_systemd_that_fails_gives_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str) -> None:
    program = tmp_path / "systemd-analyze"
    program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (verdict,) = systemd.judge(HOST)

    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert words in verdict.detail


def test_arguments_of_an_authors_program_are_not_read_as_slips() -> None:
    """shellcheck advises on words in quotes that would mean something without them."""
    odd = ["it's", "$(x)", "`y`", "\\", "it's \\", "*", "~", "~/x", "${x}", "'$x'", "a\\n", "{a,b}", "#"]
    words = json.dumps(["/usr/local/bin/s", *odd])
    text = f"""
    version = 1
    network.name = "q"
    [hosts.a]
    id = 1
    wan = "eth0"
    tunnels.e = {{ kind = "external", interface = "tun1", address = "10.1.0.2/24", start = {words}, stop = {words} }}
    """
    [(_, files)] = compile_hosts(understand(text, "q.toml", str).network)
    said = [verdict for verdict in shellcheck.judge(files) if verdict.outcome != Outcome.PASSED]

    assert said == []
