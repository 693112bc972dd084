"""What netc knows of one thing that holds on a host, in one class: its steps, and all that a part has to know of it.

A new fact is a file beside this one and a line in FACTS. What it does not say has a default that is safe: a change
restarts its part, its commands may do no more than CAP_NET_ADMIN allows, and it needs no file of the host's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from msgspec import Struct

from netc.diagnostic import KeyPath
from netc.language.names import PublicKey
from netc.network.interface import Key
from netc.plan.step import Command, Step

Verb = Literal["up", "down", "reload", "check"]
VERBS: tuple[Verb, ...] = ("up", "down", "reload", "check")
CHANGING: tuple[Verb, ...] = ("up", "down", "reload")

Change = Literal["restart", "reload", "retire"]
"""What a new `up` asks of a part that is up. "reload": its `reload` does all that the new `up` does, and takes back
what the old one did. "retire": the same, but what the new `down` does not take back any more is taken back first."""


class Library(Struct, frozen=True):
    """Shell beside steps.bash that a part's scripts of these verbs source; of none, a script of another name does."""

    name: str
    verbs: tuple[Verb, ...] = VERBS


class Secret(Struct, frozen=True):
    """What somebody has to bring to the host, or has made there, before the part comes up. `origin` None is the
    part's; `public` is the other half of an identity, where it is known."""

    kind: Literal["identity", "tunnel", "preshared", "config", "password"]
    key: Key
    origin: KeyPath | None = None
    public: PublicKey | None = None
    next: PublicKey | None = None
    """The public half of the key that will replace it."""


class Fact(Struct, frozen=True):
    """Something that holds on a host while its part is up."""

    change: ClassVar[Change] = "restart"
    """Anything else needs a `reload`."""
    is_early: ClassVar[bool] = False
    """Its part is up before any network is."""
    is_routing: ClassVar[bool] = False
    """It is a route or a rule of the kernel's, and carries netc's protocol number."""
    runs_anything: ClassVar[bool] = False
    """It runs a program of the user's choice. netc knows only that the program needs a network."""
    device_files: ClassVar[tuple[str, ...]] = ()
    """Below /dev, beside the usual ones."""
    pid_file: ClassVar[str | None] = None
    """Where `up` leaves behind the id of a process that keeps a daemon running; one fact a part at most has one."""

    def steps(self) -> Iterable[Step]:
        """What `up` does and `down` takes back. Every fact says this, also one that is files alone."""
        raise NotImplementedError(type(self).__name__)

    def needs(self) -> Iterable[Command]:
        """Commands that see whether a program is there. They are run first, each once in a part."""
        return ()

    def asks(self) -> Iterable[Command]:
        """Commands that check all other requirements before `up` changes anything."""
        return ()

    def secrets(self) -> Iterable[Secret]:
        """The secrets that it needs. The part's preflight checks them, its unit gets them, and `netc-host keys` makes
        or names them."""
        return ()

    def reload(self) -> Iterable[Command]:
        """What makes a new fact of the old one while the part is up."""
        return ()

    def questions(self) -> Iterable[Command]:
        """What `check` asks beside whether the steps hold: words of templates/bash/, which change nothing."""
        return ()

    def keeps(self) -> Iterable[Command]:
        """What a watcher of the part's device does again, whenever the device was away."""
        return ()

    def kernel(self) -> Iterable[str]:
        """What the kernel must have: types of links (ip-link(8)), `nft`, `ipset`, or `bbr`. `install` asks first."""
        return ()

    def libraries(self) -> Iterable[Library]:
        """Where the functions are that its commands call, if not in steps.bash."""
        return ()

    def capabilities(self) -> Iterable[str]:
        """Of capabilities(7), besides NET_ADMIN and what it takes to enter `inside`."""
        return ()

    @property
    def inside(self) -> str | None:
        """The network namespace in which it holds; None is the host's own."""
        place: str | None = getattr(self, "namespace", None)
        return place
