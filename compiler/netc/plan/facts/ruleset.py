"""All rules of a packet filter, for nftables or iptables."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import KeyPath
from netc.language.names import NamespaceName
from netc.language.values import Family, Netfilter
from netc.plan.facts.address_set import FAMILIES, AddressSet, ipset_names
from netc.plan.facts.fact import Fact, Library
from netc.plan.ruleset import (
    ClampMss,
    Denial,
    DestinationNat,
    DockerBridges,
    Filter,
    Hairpin,
    LeavesBy,
    Masquerade,
    NeverLeavesBy,
    Opening,
    Passage,
    PortForward,
    Queries,
    RepliesOnly,
    ReturnMark,
    SourceNat,
    SplitTunnel,
    Stranger,
    Transit,
)
from netc.plan.step import Command, Implicit, Step


class Ruleset(Fact, frozen=True):
    """All rules of the host or of a namespace. In a namespace `replies_only` filters packets that leave by the
    interface, on the host packets that arrive from it. Openings and passages are needed only with a `filter`."""

    origin: KeyPath
    namespace: NamespaceName | None = None
    netfilter: Netfilter = "nftables"
    """The program that loads it."""
    nats: tuple[DestinationNat, ...] = ()
    replies_only: tuple[RepliesOnly, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    queries: tuple[Queries, ...] = ()
    forwards: tuple[PortForward, ...] = ()
    leaves_by: tuple[LeavesBy, ...] = ()
    never_by: tuple[NeverLeavesBy, ...] = ()
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
    docker: tuple[DockerBridges, ...] = ()
    splits: tuple[SplitTunnel, ...] = ()

    @property
    def sends_ports_elsewhere(self) -> bool:
        """Whether it has destination NAT on the host, which conntrack remembers for each flow."""
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
                why="The rules name these control groups, so they must exist before the rules are loaded.",
            )
        yield from self._loads()
        if held:
            yield Step(
                up=("remember_control_groups",),
                down=("forget_control_groups",),
                holds=(("control_groups_are",),),
                why="The rules match control groups by number. `hold` compares these numbers before a slice starts.",
            )
        if self.sends_ports_elsewhere:
            yield Step(
                up=("remember_ports",),
                down=("forget_ports",),
                holds=(("ports_are_remembered",),),
                why="`reload` compares this list with the new one to find flows whose port has another target.",
            )

    def _loads(self) -> Iterator[Step]:
        removing: list[Command] = [("nft", "delete", "table", "inet", "netc")]
        if self.netfilter == "iptables":
            removing = [("remove_tables", program) for program in PROGRAMS.values()]
        why = "The filter is loaded before the namespace has any interface." if self.namespace else ""
        for load, remove, asked in zip(loading(self), removing, self._loaded(), strict=True):
            yield Step(load, Implicit(self.namespace) if self.namespace else remove, (asked,), why=why)
            why = ""

    def _loaded(self) -> Iterator[Command]:
        """The questions whether each of `loading` still holds."""
        place = (self.namespace,) if self.namespace else ()
        if self.netfilter == "iptables":
            yield from (("tables_are", name, rules_path(self, family), *place) for family, name in PROGRAMS.items())
        else:
            yield ("pieces_and_rules_are" if has_pieces(self) else "rules_are", ruleset_path(self), *place)

    def needs(self) -> Iterator[Command]:
        if self.netfilter == "nftables":
            yield ("need", "nft", "nftables")
            if has_pieces(self):
                yield ("need", "awk", "mawk")
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
        if any(map(asks_daemons, self.splits)):
            yield ("look_at_names",)

    def reload(self) -> Iterator[Command]:
        """Replaces all rules at once."""
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
            if has_pieces(self):
                yield Library("pieces.bash")
        else:
            yield Library("iptables.bash")
        if self.sends_ports_elsewhere:
            yield Library("firewall.bash")
        if any(split.group or split.user or asks_daemons(split) for split in self.splits):
            yield Library("splits.bash")
        if control_groups(self):
            yield Library("slices.bash")

    def capabilities(self) -> Iterator[str]:
        if self.netfilter == "iptables":
            # iptables uses raw sockets, and iptables-legacy loads the module ip_tables.
            yield from ("NET_RAW", "SYS_MODULE")
        if groups_path(self):
            yield "CHOWN"  # /etc/gshadow belongs to the group shadow

    def kernel(self) -> tuple[str, ...]:
        return ("nft",) if self.netfilter == "nftables" else ()


def asks_daemons(split: SplitTunnel) -> bool:
    """Programs of the tunnel reach the host's resolver daemons, whose queries it does not choose."""
    chosen = (split.group or split.user or split.slice) and not split.others
    return bool(split.resolvers and chosen and not split.hides)


def ruleset_path(ruleset: Ruleset) -> str:
    return f"/etc/netc/namespaces/{ruleset.namespace}.nft" if ruleset.namespace else "/etc/netc/nftables.nft"


def has_pieces(ruleset: Ruleset) -> bool:
    """Whether it names lists in files of their own."""
    return may_have_pieces(ruleset) and not all(found.is_short(f) for found in ruleset.sets for f in FAMILIES)


def may_have_pieces(ruleset: Ruleset) -> bool:
    """In a namespace, lists stand in the ruleset, however long."""
    return not ruleset.namespace and ruleset.netfilter == "nftables"


PROGRAMS: dict[Family, str] = {4: "iptables", 6: "ip6tables"}


def rules_path(ruleset: Ruleset, family: Family) -> str:
    """As ruleset_path, if the packet filter is iptables."""
    place = f"namespaces/{ruleset.namespace}." if ruleset.namespace else ""
    return f"/etc/netc/{place}{PROGRAMS[family]}.rules"


def groups_path(ruleset: Ruleset) -> str | None:
    """The groups that a ruleset names, in the form of sysusers.d(5). None if it names none."""
    return "/etc/sysusers.d/netc.conf" if any(split.group for split in ruleset.splits) else None


def control_groups(ruleset: Ruleset) -> tuple[str, ...]:
    """Directories below /sys/fs/cgroup that a ruleset names, because it matches programs by slice."""
    return tuple(sorted({split.slice.control_group for split in ruleset.splits if split.slice}))


def loading(ruleset: Ruleset) -> tuple[Command, ...]:
    """The commands that load it, and replace the rules that are there."""
    place = ruleset.namespace
    if ruleset.netfilter == "iptables":
        families = ((program, rules_path(ruleset, family)) for family, program in PROGRAMS.items())
        return tuple(("load_tables", program, path, *((place,) if place else ())) for program, path in families)
    if has_pieces(ruleset):
        return (("load_rules", ruleset_path(ruleset)),)
    enter: Command = ("ip", "netns", "exec", place) if place else ()
    return ((*enter, "nft", "-f", ruleset_path(ruleset)),)
