"""All that can be planned for a host, one file a fact. A new one is a file here and a line in FACTS."""

from __future__ import annotations

from netc.plan.facts.address import Address
from netc.plan.facts.address_set import AddressSet
from netc.plan.facts.bridge import Bridge
from netc.plan.facts.carrier import Carrier
from netc.plan.facts.checker import Checker
from netc.plan.facts.congestion import Congestion
from netc.plan.facts.docker import Docker
from netc.plan.facts.fact import Fact
from netc.plan.facts.filtered import Filtered
from netc.plan.facts.flowtable import Flowtable
from netc.plan.facts.foreign import Foreign
from netc.plan.facts.forwarding import Forwarding
from netc.plan.facts.held_slice import HeldSlice
from netc.plan.facts.kept_route import KeptRoute
from netc.plan.facts.launcher import Launcher
from netc.plan.facts.link_setting import LinkSetting
from netc.plan.facts.loopback import Loopback
from netc.plan.facts.loose import Loose
from netc.plan.facts.metrics_file import MetricsFile
from netc.plan.facts.moved_source import MovedSource
from netc.plan.facts.named_endpoint import NamedEndpoint
from netc.plan.facts.namespace import Namespace
from netc.plan.facts.plain_tunnel import PlainTunnel
from netc.plan.facts.route import Route
from netc.plan.facts.router import Router
from netc.plan.facts.rule import RoutingPolicy, Rule
from netc.plan.facts.ruleset import Ruleset
from netc.plan.facts.split_guard import SplitGuard
from netc.plan.facts.successor import Successor
from netc.plan.facts.veth import Veth
from netc.plan.facts.wireguard import Wireguard

FACTS: tuple[type[Fact], ...] = (
    Forwarding,
    Congestion,
    Namespace,
    AddressSet,
    Ruleset,
    SplitGuard,
    Filtered,
    Wireguard,
    PlainTunnel,
    Foreign,
    Veth,
    Bridge,
    LinkSetting,
    Address,
    Carrier,
    Route,
    KeptRoute,
    MovedSource,
    Loose,
    Rule,
    RoutingPolicy,
    Flowtable,
    Docker,
    Loopback,
    Router,
    Launcher,
    HeldSlice,
    NamedEndpoint,
    Successor,
    Checker,
    MetricsFile,
)
"""In the order in which those of one part come up, and go down in the reverse of it."""
