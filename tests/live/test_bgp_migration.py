"""From one form of a confederation to another: the printed order holds, and half-way states are as netc foretells."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from examples import Ran, netc
from live import test_bgp
from live.compiled import compiled, script
from live.lab import Host, Lab
from live.routers import ASN, birdc, leaves_by, meet, missing, neighbour, path, peer, protocols, reached, settled
from live.service import look_after, serve
from live.test_bgp import IDS, X4, Net, topology
from netc.lab.waiting import wait
from netc.language.names import HostName
from netc.network.migration import Harm, Move, harm, move, order
from netc.pipeline import understand

pytestmark = pytest.mark.live

BEHIND = peer("d", "z", 4242420003, "peer")
MEMBER = "42254700"
CHANGES = {
    ("med", "fake"): [["a", "b", "c"], ["d"]],
    ("recursive", "med"): [["a", "b", "c", "d"]],
    ("med", "recursive"): [["a", "b", "c", "d"]],
}
"""From form to form, and who changes at the same time."""

APART, MOMENT = 4, 15
"""Seconds: between the first reload of a step and the others, and what those may interrupt (it was 1 to 3)."""


class Migration:
    """The network of test_bgp, with a tree of each form."""

    def __init__(self, folder: Path, old: str = "med", new: str = "fake", more: str = "") -> None:
        self.texts = {form: topology(form, more, addressed=True) for form in (old, new)}
        self.trees = {form: compiled(text, folder / form) for form, text in self.texts.items()}
        before, after = (understand(text, "topology.toml", lambda _: "").network for text in self.texts.values())
        self.move: Move = move(before, after)
        self.files = [folder / f"{form}.toml" for form in (old, new)]
        for file, text in zip(self.files, self.texts.values(), strict=True):
            file.write_text(text)

    def ask(self, *moved: str) -> Ran:
        return netc("plan", "--migrate", *self.files, *(word for name in moved for word in ("--moved", name)))

    def printed(self) -> list[list[str]]:
        """The hosts of each step, as a person reads them."""
        steps = re.findall(r"(?m)^\d+\. (?:at the same time: )?(.*)$", self.ask().out)
        return [step.split(", ") for step in steps]

    def lay(self, host: Host, form: str) -> None:
        host.lay(self.trees[form][host.name])

    def force(self, host: Host, form: str) -> None:
        """Without the script that would see what it does."""
        self.lay(host, form)
        birdc(host, 'configure "/etc/netc/bird.conf"')


def cut(net: Net) -> set[tuple[str, str]]:
    return {
        (origin, name)
        for origin, id in IDS.items()
        for name, host in net.ours.items()
        if name != origin and path(host, f"172.20.16.{id}/32") is None
    }


def moved(*names: str) -> frozenset[HostName]:
    return frozenset(map(HostName, names))


def test_intermediate_states_break_what_netc_predicts(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = Migration(tmp_path, more=BEHIND)
    monkeypatch.setattr(test_bgp, "settled", lambda *_: None)  # z comes after it
    net = Net(lab, tmp_path, migration.texts["med"])
    z = neighbour(lab, "z", 4242420003, "172.20.10.0/24", "fd42:10::/48")
    meet(lab, net.ours["d"], z)
    z.start()
    settled(*net.ours.values(), z.host)
    wait(lambda: path(z.host, X4))

    # With an edge in it, no router may stay behind.
    assert [step.hosts for step in order(migration.move)] == [tuple("abcd")]
    forms = dict.fromkeys(IDS, "med")
    for state in ("a", "abc", "d"):
        for name, host in net.ours.items():
            form = "fake" if name in state else "med"
            if forms[name] != form:
                migration.force(host, form)
                forms[name] = form
        foretold = harm(migration.move, moved(*state))
        wait(lambda foretold=foretold: cut(net) == set(foretold.cut))  # type: ignore[misc]
        settled(*net.ours.values())  # which is why nobody would notice
        wait(lambda foretold=foretold: cut(net) == set(foretold.cut))  # type: ignore[misc]

        # Packets: an edge still attracts those that it cannot bring there.
        for origin, id in IDS.items():
            assert reached(net.x.host, net.x.four, f"172.20.16.{id}") == (("a", origin) not in foretold.cut)
        if ("d", "a") in foretold.leaks:
            assert wait(lambda: path(z.host, X4)) == f"{ASN} 4225470002 {net.x.asn}"
        outside = [net.x.host, net.e.host] + ([] if foretold.leaks else [z.host])
        assert MEMBER not in "".join(birdc(host, "show route all") for host in outside)
        assert foretold != Harm()


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_the_printed_order_interrupts_only_the_sessions_that_it_lists(
    lab: Lab, tmp_path: Path, old: str, new: str
) -> None:
    migration = Migration(tmp_path, old, new)
    net = Net(lab, tmp_path, migration.texts[old])
    ours, x, e = net.ours, net.x, net.e
    for name in "cd":
        serve(ours[name])
        look_after(ours[name])
    steps = migration.printed()
    assert steps == CHANGES[old, new]
    ways = [(x.host, x.four, e.four), (e.host, e.six, "fd42:1::4"), (x.host, x.four, "172.22.0.53")]
    for way in ways:
        wait(lambda way=way: reached(*way))  # type: ignore[misc]
    wait(lambda: cut(net) == set())

    # One alone is refused on paper, waits for the others in vain, and goes back.
    together = next(step for step in steps if len(step) > 1)
    refused = migration.ask(together[0])
    assert (refused.code, "NC2602" in refused.err) == (1, True)
    migration.lay(ours["a"], new)
    alone = ours["a"].run(["env", "NETC_PATIENCE=4", *script("bird", "reload")], check=False)
    assert alone.returncode != 0
    assert "did not come back: int_vx_b int_vx_c" in alone.stderr
    wait(lambda: cut(net) == set())
    for way in ways:
        wait(lambda way=way: reached(*way))  # type: ignore[misc]

    for host in ours.values():
        migration.lay(host, new)
    for step in steps:
        pings = [host.start(["ping", "-i", "0.2", "-I", own, there]) for host, own, there in ways]
        if "recursive" in (old, new):
            for name in step:
                ours[name].run(script("firewall", "reload"))
        first, *others = step
        reloads = [ours[first].start(script("bird", "reload"))]
        if others:
            time.sleep(APART)
            assert reloads[0].alive  # it waits for the others
            reloads += [ours[name].start(script("bird", "reload")) for name in others]
        for reload in reloads:
            assert reload.wait() == 0, reload.said()
        settled(*ours.values())
        for way in ways:
            wait(lambda way=way: reached(*way))  # type: ignore[misc]
        time.sleep(1)
        lost = [missing(ping) * 0.2 for ping in pings]
        print(f"{old} to {new}, {' '.join(step)}: seconds lost: {lost}")
        assert max(lost) < (APART if others else 0) + MOMENT
        # Half-way is no way; and nothing between others goes by d.
        assert lost[0] >= APART / 2 if others else lost[0] == 0
        wait(lambda: cut(net) == set(), MOMENT)
        assert MEMBER not in birdc(x.host, "show route all") + birdc(e.host, "show route all")
        assert set(protocols(ours["b"]).values()) == {"Established"}
    assert leaves_by(ours["d"], X4) == "vx-b"
    assert ("(" in str(path(ours["d"], X4))) == (new != "fake")
