"""One fact, one file: whatever is in netc.plan.facts has said all that netc has to know of it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TypeGuard

import pytest
from msgspec.structs import replace

from examples import EXAMPLES, ROOT
from netc.language.names import CredentialName, HostPath, InterfaceName, NamespaceName, PartName
from netc.pipeline import plan, understand
from netc.plan import facts
from netc.plan.facts import FACTS, Fact, Ruleset
from netc.plan.facts.fact import VERBS, Library, Verb
from netc.plan.host_plan import Part
from netc.plan.step import Command, Implicit, Step
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
def test_a_fact_defines_every_required_member(kind: type[Fact]) -> None:
    assert list(undecided(kind)) == []


def test_a_fact_without_a_required_member_is_found() -> None:
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
        if not isinstance(step.down, Implicit):
            yield "down", step.down
        yield from (("check", asked) for asked in step.holds)
    yield from (("check", asked) for asked in fact.questions())
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


def test_programs_and_secrets_are_required_before_they_are_used() -> None:
    assert by_kind((fact, fault) for fact in planned() for fault in unasked(fact)) == []


def test_a_command_with_missing_requirements_is_found() -> None:
    class Wrong(Fact, frozen=True):
        """Calls what is not there, or not asked for."""

        def steps(self) -> tuple[Step, ...]:
            return (
                Step(("keep", "-4", "default"), ("nft", "flush", "ruleset"), holds=(("expect", "ip link", "lo"),)),
                Step(
                    ("ip", "netns", "exec", "n", "wg", "set", HostPath("/key")),
                    Implicit("n"),
                    holds=(("rp_filter_is_loose",),),
                ),
                Step(up=("no_such_function",), down=("loosen", "eth0"), holds=()),
            )

        def keeps(self) -> tuple[Command, ...]:
            return (("start_bird",),)

        def libraries(self) -> tuple[Library, ...]:
            return (Library("uplinks.bash", ("down",)),)

    assert sorted(unknown(Wrong())) == [
        "check: rp_filter_is_loose",
        "up: keep",
        "up: no_such_function",
        "watch: start_bird",
    ]
    assert list(unasked(Wrong())) == ["wg", "/key"]


# ---- what they promise ---------------------------------------------------------------------------------------


def unheld(fact: Fact) -> Iterator[str]:
    """Steps of which nobody asks whether they still hold. There is no exception: one has to be made here, with its
    reason."""
    yield from (f"{called(step.up)} has no question" for step in fact.steps() if not step.holds)


def test_every_step_has_a_question() -> None:
    """Or `check` and `status` take for there what is gone."""
    assert by_kind((fact, fault) for fact in planned() for fault in unheld(fact)) == []
    assert sum(1 for fact in planned() for _ in fact.steps()) > 500


def test_no_step_is_written_without_a_question() -> None:
    """Not where no topology of the tests makes it either."""
    modules = list(Path(facts.__path__[0]).glob("*.py"))
    calls = [node for path in modules for node in ast.walk(ast.parse(path.read_text("utf-8"))) if of_a_step(node)]
    given = [{keyword.arg: keyword.value for keyword in call.keywords}.get("holds", call.args[2:]) for call in calls]

    assert len(calls) > 20
    assert [ast.unparse(call) for call, holds in zip(calls, given, strict=True) if is_empty(holds)] == []


def of_a_step(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Step"


def is_empty(holds: object) -> bool:
    return not holds or (isinstance(holds, ast.Tuple) and not holds.elts)


def test_a_step_without_a_question_is_noticed() -> None:
    class Silent(Fact, frozen=True):
        """Does what nobody asks for."""

        def steps(self) -> tuple[Step, ...]:
            return (Step(("loosen", "eth0"), ("tighten", "eth0"), holds=()),)

    assert list(unheld(Silent())) == ["loosen has no question"]
    assert is_empty(ast.parse("Step(a, b, holds=())", mode="eval").body.keywords[0].value)  # type: ignore[attr-defined]


def test_facts_that_call_iptables_have_its_capabilities() -> None:
    """It asks the kernel by a raw socket, and the legacy one loads its module (iptables(8))."""
    calling = {name for name in shared() if re.search(r"(?m)^[^#\n]*\bip6?tables\b", (SHELL / name).read_text("utf-8"))}
    found = {type(fact) for fact in planned() if calling & sourced(fact)}
    lacking = [
        fact
        for fact in planned()
        if calling & sourced(fact) and not {"NET_RAW", "SYS_MODULE"} <= {*fact.capabilities()}
    ]

    assert found == {facts.Docker, Ruleset}
    assert lacking == []


def sourced(fact: Fact) -> set[str]:
    """Libraries of the scripts that a unit runs."""
    return {library.name for library in fact.libraries() if library.verbs}


def shared() -> set[str]:
    return {path.name for path in SHELL.glob("*.bash")}


def test_users_that_rules_name_are_required_first() -> None:
    """A ruleset that names somebody who is not there does not load, and by then much else is up."""
    rulesets = [fact for fact in planned() if isinstance(fact, Ruleset)]
    named = [{split.user for split in fact.splits if split.user} for fact in rulesets]

    assert any(named)
    for fact, users in zip(rulesets, named, strict=True):
        looked_for = {word for command in fact.asks() if command[0] == "need_user" for word in command[1:]}
        assert users == looked_for


def test_a_policy_reload_removes_obsolete_rules_only(tmp_path: Path) -> None:
    """And those that stay are not touched."""
    rules = [facts.Rule(family, number, table=number) for family in (4, 6) for number in (1, 2, 3)]
    old, new = facts.RoutingPolicy(tuple(rules[:2] + rules[3:5])), facts.RoutingPolicy(tuple(rules[1:3] + rules[4:]))
    journal = tmp_path / "journal"
    journal.write_text("".join(f"{line(step.up)}\n" for step in old.steps()))
    script = (
        f". {SHELL}/steps.bash - none\njournal={journal}\nip() {{ printf 'ip %s\\n' \"$*\"; }}\n. {SHELL}/rules.bash\n"
    )
    script += "".join(f"{line(command)}\n" for command in new.reload())
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True).stdout.splitlines()
    before, after = ({line(step.up) for step in policy.steps()} for policy in (old, new))

    assert {one for one in done if " add " in one} == after - before
    assert {one for one in done if " delete " in one} == {one.replace(" add ", " delete ") for one in before - after}
    assert set(journal.read_text().splitlines()) == after


def line(command: Command) -> str:
    return " ".join(map(str, command))


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


def test_programs_are_required_first_and_each_once() -> None:
    guard = Ruleset(("x",))
    space = facts.Namespace(NamespaceName("n"), ())
    table = facts.Flowtable(("x",), (ETH0,))

    assert list(asks(part(space, guard, table))) == [("need", "nft", "nftables"), ("unused_namespace", "n")]


def test_a_library_is_sourced_once() -> None:
    one, other = facts.Loose(ETH0), facts.Loose(InterfaceName("eth1"))

    assert libraries(part(one, other), "up") == ("uplinks.bash",)
    assert [step.up for step in steps(part(one, other))] == [("loosen", "eth0"), ("loosen", "eth1")]
    assert list(reload(part(one, other))) == []
