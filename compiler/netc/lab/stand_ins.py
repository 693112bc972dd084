"""What stands in for what a lab must not have: private keys of real hosts, and programs that the topology names.

The plans of a lab are those of the topology with other keys and other commands. All else is as `netc build` has it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import fields, replace

from netc.language.names import Argument, PublicKey
from netc.language.x25519 import public_key
from netc.plan.facts import Checker, Fact, Foreign
from netc.plan.host_plan import HostPlan

Made = TypeVar("Made")

TUNNEL = "/usr/local/lib/netc-lab/tunnel"
"""In place of a program that makes a tunnel: it makes the interface and carries nothing."""
HEALTHY = "/usr/local/lib/netc-lab/healthy"
"""In place of the check of an anycast service: the service is healthy, and nobody waits for it."""
PROGRAMS = {
    TUNNEL: r"""#!/usr/bin/perl
# start NAME | stop NAME. Every Debian has Perl; ip-tuntap(8) makes an interface without a carrier.
use strict;
use Fcntl;
my ($verb, $name) = @ARGV;
my $file = "/run/netc-lab-$name.pid";
if ($verb eq "stop") {
    open my $known, "<", $file or exit 1;
    exit !kill "TERM", <$known>;
}
sysopen my $tun, "/dev/net/tun", O_RDWR or die "/dev/net/tun: $!\n";
ioctl $tun, 0x400454CA, pack "a16 S x22", $name, 0x1001 or die "$name: $!\n"; # TUNSETIFF; IFF_TUN, IFF_NO_PI
exit 0 if fork;
open my $known, ">", $file or die "$file: $!\n";
print $known $$;
close $known;
sleep 3600 while 1;
""",
    HEALTHY: "#!/bin/sh\n",
}


AS_ROOT = """#!/bin/sh
# What setpriv(1) would run as somebody else runs as root: there is nobody else.
while case $1 in --*) true ;; *) false ;; esac; do shift; done
exec "$@"
"""


class Staged(Struct, frozen=True):
    """Plans for a lab. `private`: private keys by the public ones, and `made_from`: what each is made from. `replaced`:
    programs of the topology that do not run."""

    plans: tuple[HostPlan, ...]
    private: dict[str, str]
    made_from: dict[str, str]
    replaced: tuple[str, ...]


def staged(plans: Sequence[HostPlan], *, commands: bool = False) -> Staged:
    """`commands`: programs of the topology run as they are."""
    keys: dict[PublicKey, tuple[PublicKey, str]] = {}
    found: list[str] = []
    ours = tuple(_exchanged(plan, keys) for plan in plans)
    if not commands:
        ours = tuple(_without_programs(plan, found) for plan in ours)
    made_from = {private: _of(theirs) for theirs, (_, private) in keys.items()}
    return Staged(ours, dict(keys.values()), made_from, tuple(dict.fromkeys(found)))


# ---- keys ------------------------------------------------------------------------------------------------------


def _exchanged(value: Made, keys: dict[PublicKey, tuple[PublicKey, str]]) -> Made:
    """The same with a public key of the lab in place of each."""
    made: object = value
    match value:
        case PublicKey():
            made = _pair(value, keys)[0]
        case tuple():
            parts = [_exchanged(one, keys) for one in value]
            if any(new is not old for new, old in zip(parts, value, strict=True)):
                made = tuple(parts)
        case Struct():
            given = {one.name: getattr(value, one.name) for one in fields(value)}
            changed = {name: _exchanged(one, keys) for name, one in given.items()}
            if any(changed[name] is not one for name, one in given.items()):
                made = _replaced(value, {name: one for name, one in changed.items() if one is not given[name]})
        case _:
            pass
    return made  # type: ignore[return-value]


def _replaced(value: Struct, changed: dict[str, object]) -> Struct:
    return replace(value, **changed)


def _pair(key: PublicKey, keys: dict[PublicKey, tuple[PublicKey, str]]) -> tuple[PublicKey, str]:
    if key not in keys:
        private = private_key(_of(key))
        keys[key] = (PublicKey(public_key(private)), private)
    return keys[key]


def _of(key: PublicKey) -> str:
    return f"of {key}"


def private_key(name: str) -> str:
    """A WireGuard key that everybody can compute: nothing that is worth a secret is behind it."""
    return base64.b64encode(sha256(f"netc lab key {name}".encode()).digest()).decode()


# ---- programs --------------------------------------------------------------------------------------------------


def _without_programs(plan: HostPlan, found: list[str]) -> HostPlan:
    parts = []
    for part in plan.parts:
        facts = tuple(_harmless(fact, str(plan.host), found) for fact in part.facts)
        parts.append(replace(part, facts=facts) if facts != part.facts else part)
    return replace(plan, parts=tuple(parts))


def _harmless(fact: Fact, host: str, found: list[str]) -> Fact:
    match fact:
        case Foreign():
            found += [f"{host}: {' '.join(words)}" for words in (fact.start, fact.stop) if words]
            start, stop = ((Argument(TUNNEL), Argument(verb), Argument(fact.name)) for verb in ("start", "stop"))
            return replace(fact, start=start, stop=stop if fact.stop else ())
        case Checker():
            found.append(f"{host}: {' '.join(fact.command)}")
            return replace(fact, command=(Argument(HEALTHY),), interval=1000, timeout=10_000)
        case _:
            return fact
