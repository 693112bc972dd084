"""All rules of a packet filter, in whichever language."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import KeyPath
from netc.language.names import NamespaceName
from netc.language.values import Family, Netfilter
from netc.plan.facts.address_set import AddressSet, ipset_names
from netc.plan.facts.fact import Fact, Library
from netc.plan.ruleset import (
    ClampMss,
    Denial,
    DestinationNat,
    Filter,
    Hairpin,
    Masquerade,
    Opening,
    Passage,
    PortForward,
    RepliesOnly,
    ReturnMark,
    SourceNat,
    SplitTunnel,
    Stranger,
    Transit,
)
from netc.plan.step import Command, Implicit, Step


class Ruleset(Fact, frozen=True):
    """All rules of a place. Inside a namespace `replies_only` guards what leaves by the interface; on the host, what
    arrives from it. Without a `filter`, nothing needs openings and passages."""

    origin: KeyPath
    namespace: NamespaceName | None = None
    netfilter: Netfilter = "nftables"
    """What loads it."""
    nats: tuple[DestinationNat, ...] = ()
    replies_only: tuple[RepliesOnly, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    forwards: tuple[PortForward, ...] = ()
    masquerades: tuple[Masquerade, ...] = ()
    sources: tuple[SourceNat, ...] = ()
    hairpins: tuple[Hairpin, ...] = ()
    clamps: tuple[ClampMss, ...] = ()
    marks: tuple[ReturnMark, ...] = ()
    filter: Filter | None = None
    sets: tuple[AddressSet, ...] = ()
    denials: tuple[Denial, ...] = ()
    openings: tuple[Opening, ...] = ()
    passages: tuple[Passage, ...] = ()
    transits: tuple[Transit, ...] = ()
    splits: tuple[SplitTunnel, ...] = ()

    @property
    def sends_ports_elsewhere(self) -> bool:
        """Whether flows of the host itself depend on it for where they go."""
        return self.namespace is None and bool(self.nats or self.forwards)

    change = "retire"

    def steps(self) -> Iterator[Step]:
        if path := groups_path(self):
            yield Step(
                up=("make_groups", path),
                down=("keep_groups", path),
                holds=(("groups_are", path),),
            )
        held = control_groups(self)
        if held:
            yield Step(
                up=("make_control_groups", *held),
                down=("remove_control_groups", *held),
                holds=(("control_groups_are",),),
                why="They are looked up when rules are loaded, and systemd takes what it finds.",
            )
        yield from self._loads()
        if held:
            yield Step(
                up=("remember_control_groups",),
                down=("forget_control_groups",),
                holds=(("control_groups_are",),),
                why="One that is made anew has another number, and `hold` compares.",
            )
        if self.sends_ports_elsewhere:
            yield Step(
                up=("remember_ports",),
                down=("forget_ports",),
                holds=(("ports_are_remembered",),),
                why="A reload compares.",
            )

    def _loads(self) -> Iterator[Step]:
        removing: list[Command] = [("nft", "delete", "table", "inet", "netc")]
        if self.netfilter == "iptables":
            removing = [("remove_tables", program) for program in PROGRAMS.values()]
        why = "The guard stands before there is anything to guard." if self.namespace else ""
        for load, remove, asked in zip(loading(self), removing, self._loaded(), strict=True):
            yield Step(load, Implicit(self.namespace) if self.namespace else remove, (asked,), why=why)
            why = ""

    def _loaded(self) -> Iterator[Command]:
        """What asks whether each of `loading` still holds."""
        place = (self.namespace,) if self.namespace else ()
        if self.netfilter == "iptables":
            yield from (("tables_are", name, rules_path(self, family), *place) for family, name in PROGRAMS.items())
        else:
            yield ("rules_are", ruleset_path(self), *place)

    def needs(self) -> Iterator[Command]:
        if self.netfilter == "nftables":
            yield ("need", "nft", "nftables")
        else:
            yield ("need", "iptables-restore", "iptables")
            yield ("need", "awk", "mawk")

    def asks(self) -> Iterator[Command]:
        if self.netfilter == "iptables" and self.sets:
            yield ("need_sets", *(name for found in self.sets for name in ipset_names(found)))
        if control_groups(self):
            yield ("need_control_groups",)
            if self.netfilter == "nftables":
                yield ("need_levels",)
        for user in sorted({split.user for split in self.splits if split.user}):
            yield ("need_user", user)
        if any(split.resolvers and (split.group or split.user) for split in self.splits):
            yield ("look_at_names",)

    def reload(self) -> Iterator[Command]:
        """All rules at once, in place of the old ones."""
        if path := groups_path(self):
            yield ("make_groups", path)
        held = control_groups(self)
        if held:
            yield ("make_control_groups", *held)
        yield from loading(self)
        if held:
            yield ("remember_control_groups",)
        if self.sends_ports_elsewhere:
            yield ("forget_changed_ports",)

    def libraries(self) -> Iterator[Library]:
        yield Library("trial.bash", ())
        if self.netfilter == "nftables":
            yield Library("nftables.bash", ("check",))
        else:
            yield Library("iptables.bash")
        if self.sends_ports_elsewhere:
            yield Library("firewall.bash")
        if any(split.group or split.user for split in self.splits):
            yield Library("splits.bash")
        if control_groups(self):
            yield Library("slices.bash")

    def capabilities(self) -> Iterator[str]:
        if self.netfilter == "iptables":
            # It asks the kernel by raw sockets, and the legacy one loads ip_tables by itself.
            yield from ("NET_RAW", "SYS_MODULE")
        if groups_path(self):
            yield "CHOWN"  # /etc/gshadow is of a group of its own


def ruleset_path(ruleset: Ruleset) -> str:
    return f"/etc/netc/namespaces/{ruleset.namespace}.nft" if ruleset.namespace else "/etc/netc/nftables.nft"


PROGRAMS: dict[Family, str] = {4: "iptables", 6: "ip6tables"}


def rules_path(ruleset: Ruleset, family: Family) -> str:
    """As ruleset_path, where the packet filter is iptables'."""
    place = f"namespaces/{ruleset.namespace}." if ruleset.namespace else ""
    return f"/etc/netc/{place}{PROGRAMS[family]}.rules"


def groups_path(ruleset: Ruleset) -> str | None:
    """The groups that a ruleset names, as sysusers.d(5) has them; None where it names none."""
    return "/etc/sysusers.d/netc.conf" if any(split.group for split in ruleset.splits) else None


def control_groups(ruleset: Ruleset) -> tuple[str, ...]:
    """Folders below /sys/fs/cgroup that a ruleset names: it tells programs by their slice."""
    return tuple(sorted({split.slice.control_group for split in ruleset.splits if split.slice}))


def loading(ruleset: Ruleset) -> tuple[Command, ...]:
    """The commands that put it in the place of what is there, if anything is."""
    place = ruleset.namespace
    if ruleset.netfilter == "iptables":
        families = ((program, rules_path(ruleset, family)) for family, program in PROGRAMS.items())
        return tuple(("load_tables", program, path, *((place,) if place else ())) for program, path in families)
    enter: Command = ("ip", "netns", "exec", place) if place else ()
    return ((*enter, "nft", "-f", ruleset_path(ruleset)),)
