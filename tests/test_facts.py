"""One fact, one file: whatever is in netc.plan.facts has said all that netc has to know of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from msgspec.structs import replace

from examples import EXAMPLES, ROOT
from netc.language.names import CredentialName, HostPath, InterfaceName, NamespaceName, PartName
from netc.pipeline import plan, understand
from netc.plan import facts
from netc.plan.facts import FACTS, Fact, Ruleset
from netc.plan.facts.fact import VERBS, Library, Verb
from netc.plan.host_plan import Part
from netc.plan.step import Command, Falls, Step
from netc.plan.steps import asks, change, libraries, reload, steps
from test_mirror import drawn_plans
from topologies import FULL

SHELL = ROOT / "templates/bash"
PROGRAMS = {"ip": "iproute2", "ipset": "ipset", "nft": "nftables", "wg": "wireguard-tools"}
"""What a step may call by its own name. `ip` is on every host; for the others a fact looks first."""

ASKED = {"need_wireguard": "wg"}
"""What a command sees, beside the one that is named for it: `need PROGRAM PACKAGE`."""


def found() -> set[type[Fact]]:
    """Every fact of the package, but for what is there for others to be made from."""
    modules = [import_module(f"{facts.__name__}.{module.name}") for module in iter_modules(facts.__path__)]
    own = {v for module in modules for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__}
    kinds = {value for value in own if isinstance(value, type) and issubclass(value, Fact)}
    return {kind for kind in kinds if not kind.__subclasses__()}


@cache
def planned() -> tuple[Fact, ...]:
    """Facts of all plans that the tests know; of rulesets, both languages."""
    networks = [understand(path.read_text(), path.name, _beside(path.parent)).network for path in EXAMPLES]
    plans = [plan(host, network) for network in networks for host in network.topology.hosts]
    held = [fact for one in (*plans, *drawn_plans(FULL)) for part in one.parts for fact in part.facts]
    return (*held, *(replace(fact, netfilter="iptables") for fact in held if isinstance(fact, Ruleset)))


def _beside(folder: Path) -> Callable[[str], str]:
    return lambda name: (folder / name).read_text()


# ---- what every fact says ------------------------------------------------------------------------------------


def test_every_fact_is_in_facts_once() -> None:
    assert found() == set(FACTS)
    assert len(FACTS) == len(set(FACTS))


def test_every_fact_is_planned_for_some_host_of_the_tests() -> None:
    """Or nothing that is said of its commands here would be about it."""
    assert set(FACTS) - set(map(type, planned())) == set()


def undecided(kind: type[Fact]) -> Iterator[str]:
    """What a fact has left open and no default answers."""
    if not kind.__dict__.get("__doc__"):
        yield "does not say what it is"
    if kind.steps is Fact.steps:
        yield "does not say its steps"
    if kind.change != "restart" and kind.reload is Fact.reload:
        yield f"asks for a {kind.change} and has no reload"


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_a_fact_leaves_nothing_open(kind: type[Fact]) -> None:
    assert list(undecided(kind)) == []


def test_what_is_left_open_is_noticed() -> None:
    class Silent(Fact, frozen=True):
        pass

    class Careless(Fact, frozen=True):
        """Says that it is reloaded, and not how."""

        change = "reload"

        def steps(self) -> tuple[Step, ...]:
            return ()

    assert list(undecided(Silent)) == ["does not say what it is", "does not say its steps"]
    assert list(undecided(Careless)) == ["asks for a reload and has no reload"]
    with pytest.raises(NotImplementedError):
        Silent().steps()
    with pytest.raises(TypeError, match="Silent is not in FACTS"):
        Part(PartName("p"), ("x",), "p", facts=(Silent(),))


# ---- what its commands need ----------------------------------------------------------------------------------


@cache
def functions(library: str) -> frozenset[str]:
    return frozenset(re.findall(r"(?m)^(\w+)\(\)", (SHELL / library).read_text()))


def called(command: Command) -> str:
    """The program or function that a command is of."""
    return str(command[4] if command[:3] == ("ip", "netns", "exec") else command[0])


def commands(fact: Fact) -> Iterator[tuple[Verb, Command]]:
    """By the script that they are in."""
    yield from (("up", command) for command in (*fact.needs(), *fact.asks()))
    for step in fact.steps():
        yield "up", step.up
        if not isinstance(step.down, Falls):
            yield "down", step.down
        yield from (("check", asked) for asked in step.holds)
    yield from (("reload", command) for command in fact.reload())


def unknown(fact: Fact) -> Iterator[str]:
    """Commands that a script would not find."""
    named = {verb: {one.name for one in fact.libraries() if verb in one.verbs} for verb in VERBS}
    for verb, command in commands(fact):
        known = set(PROGRAMS).union(*map(functions, ("steps.bash", *named[verb])))
        if called(command) not in (known if verb != "check" else known - set(PROGRAMS)):
            yield f"{verb}: {called(command)}"
    known = functions("steps.bash") | functions("uplinks.bash")
    yield from (f"watch: {command[0]}" for command in fact.keeps() if command[0] not in known)


def unasked(fact: Fact) -> Iterator[str]:
    """Programs that nobody sees first whether they are there, and secrets."""
    seen = {str(command[1]) if command[0] == "need" else ASKED.get(str(command[0])) for command in fact.needs()}
    used = [command for verb, command in commands(fact) if verb not in ("down", "check")]
    yield from sorted({called(command) for command in used} & PROGRAMS.keys() - seen - {"ip"})
    brought = {secret.key for secret in fact.secrets()}
    words = {word for command in used for word in command if isinstance(word, HostPath | CredentialName)}
    yield from sorted(map(str, words - brought))


def by_kind(faults: Iterable[tuple[Fact, str]]) -> list[str]:
    return sorted({f"{type(fact).__name__} {fault}" for fact, fault in faults})


def test_a_script_finds_every_command_of_its_facts() -> None:
    assert by_kind((fact, fault) for fact in planned() for fault in unknown(fact)) == []


def test_programs_and_secrets_are_seen_before_they_are_used() -> None:
    assert by_kind((fact, fault) for fact in planned() for fault in unasked(fact)) == []


def test_what_a_command_lacks_is_noticed() -> None:
    class Wrong(Fact, frozen=True):
        """Calls what is not there, or not asked for."""

        def steps(self) -> tuple[Step, ...]:
            return (
                Step(("keep", "-4", "default"), ("nft", "flush", "ruleset"), holds=(("shows", "ip link", "lo"),)),
                Step(("ip", "netns", "exec", "n", "wg", "set", HostPath("/key")), Falls("n"), holds=(("is_loose",),)),
                Step(up=("no_such_function",), down=("loosen", "eth0"), holds=()),
            )

        def keeps(self) -> tuple[Command, ...]:
            return (("start_bird",),)

        def libraries(self) -> tuple[Library, ...]:
            return (Library("uplinks.bash", ("down",)),)

    assert sorted(unknown(Wrong())) == [
        "check: is_loose",
        "up: keep",
        "up: no_such_function",
        "watch: start_bird",
    ]
    assert list(unasked(Wrong())) == ["wg", "/key"]


# ---- what a part makes of them -------------------------------------------------------------------------------

ETH0 = InterfaceName("eth0")


def part(*held: Fact) -> Part:
    return Part(PartName("p"), ("x",), "p", facts=held)


def test_facts_come_up_in_their_order_however_they_are_given() -> None:
    given = planned()
    for number in range(0, len(given), 40):
        some = given[number : number + 40]
        ordered = [type(fact) for fact in part(*some).facts]

        assert ordered == sorted(ordered, key=FACTS.index)
        assert [fact for kind in FACTS for fact in some if type(fact) is kind] == list(part(*some).facts)


def test_a_part_is_restarted_as_soon_as_one_of_its_facts_asks_for_it() -> None:
    policy, docker = facts.RoutingPolicy(()), facts.Docker(())
    loose = facts.Loose(ETH0)

    assert change(part()) == "restart"
    assert change(part(policy)) == "reload"
    assert change(part(policy, docker)) == "retire"
    assert change(part(policy, docker, loose)) == "restart"


def test_programs_are_asked_for_first_and_each_once() -> None:
    guard = Ruleset(("x",))
    space = facts.Namespace(NamespaceName("n"), ())
    table = facts.Flowtable(("x",), (ETH0,))

    assert list(asks(part(space, guard, table))) == [("need", "nft", "nftables"), ("unused_namespace", "n")]


def test_a_library_is_sourced_once() -> None:
    one, other = facts.Loose(ETH0), facts.Loose(InterfaceName("eth1"))

    assert libraries(part(one, other), "up") == ("uplinks.bash",)
    assert [step.up for step in steps(part(one, other))] == [("loosen", "eth0"), ("loosen", "eth1")]
    assert list(reload(part(one, other))) == []
