"""Checked names: strings that are proved harmless when they are made, so that no other code has to check them.

Only these (and addresses and numbers) reach nftables, BIRD, WireGuard and systemd; a bare `str` is refused there.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import cache
from pathlib import PurePosixPath
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Wrong(ValueError):
    """A value that its type refuses; `code` is the diagnostic's code, `hint` what to write instead."""

    def __init__(self, code: str, what: str, hint: str = "") -> None:
        self.code, self.what, self.hint = code, what, hint
        super().__init__(what)


def shorter(key: str) -> str:
    """A hint for a derived name of an interface that is too long: the key that sets the name."""
    if key == "prefix":
        return "set `prefix` to fewer characters"
    return f"set `{key}` to at most 15 characters"


def quoted(text: str) -> str:
    """What an author wrote, as a message names it: in backticks, and cut where it would fill a screen."""
    if not text:
        return "an empty string"
    return f"`{text}`" if len(text) <= 80 else f"`{text[:60]}…`"


def as_label(text: str) -> str:
    """The nearest that a table can be called."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:32].rstrip("-")


def whole(pattern: str) -> str:
    """For editors: a pattern that all of a text has to match, with groups that have no names."""
    return "^(?:" + re.sub(r"\?P<\w+>", "", pattern) + ")$"


@cache
def matching(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(pattern, re.ASCII).fullmatch


class Name(str):
    """A string that matched its class's `pattern` when it was made. Raises Wrong otherwise."""

    __slots__ = ()
    pattern: ClassVar[str]
    code: ClassVar[str] = "NC0106"
    noun: ClassVar[str]
    cure: ClassVar[str]

    def __new__(cls, text: str) -> Self:
        if not matching(cls.pattern)(text):
            raise Wrong(cls.code, f"{quoted(text)} is not {cls.noun}", cls.cure_of(text))
        name = super().__new__(cls, text)
        name.check()
        return name

    def check(self) -> None:
        """Raises Wrong for what a pattern cannot say."""

    @classmethod
    def cure_of(cls, text: str) -> str:  # noqa: ARG003 (names that say more about `text` override this)
        """What to write in place of `text`."""
        return cls.cure

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": whole(cls.pattern)}


class Label(Name):
    """What an author calls a table: it becomes part of file, unit, set and interface names."""

    pattern = r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?"
    noun = "a name"
    cure = "use 1 to 32 of a-z, 0-9 and `-`, beginning with a letter and not ending with `-`"


class HostName(Label):
    noun = "a host's name"

    def check(self) -> None:
        if self in ("all", "internet"):
            raise Wrong(self.code, f"`{self}` is a reserved word", "write another name")


class Member(Label):
    """A host of a mesh, or `all`."""

    noun = "a host's name"


class LinkName(Label):
    noun = "a link's name"


class ForwardName(Label):
    noun = "a forward's name"


class MeshName(Label):
    noun = "a mesh's name"


class TunnelName(Label):
    noun = "a tunnel's name"


class UplinkName(Label):
    noun = "an uplink's name"


class BridgeName(Label):
    noun = "a bridge's name"


class SplitName(Label):
    noun = "a split's name"


class NamespaceName(Label):
    """Also the name below /run/netns and /etc/netns (ip-netns(8))."""

    noun = "a namespace's name"


class SetName(Label):
    noun = "a set's name"


class PeerName(Label):
    noun = "a BGP peer's name"


class AnycastName(Label):
    """Short enough for the interface that is called after it."""

    pattern = r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?"
    noun = "an anycast service's name"
    cure = "use 1 to 12 of a-z, 0-9 and `-`, beginning with a letter and not ending with `-`"


class PartName(Name):
    """`link-edge-home`: a part's folder, its journal and, with `netc-` before it, its unit."""

    pattern = r"[a-z][a-z0-9-]{0,99}"
    noun = "a part's name"
    cure = "use a-z, 0-9 and `-`"


RESERVED_INTERFACES = frozenset(
    # Names with a meaning in sysctl, and the devices that tunnel modules make for themselves.
    [
        "lo",
        "all",
        "default",
        "gre0",
        "gretap0",
        "erspan0",
        "ip6gre0",
        "sit0",
        "tunl0",
        "ip6tnl0",
        "ip_vti0",
        "ip6_vti0",
    ]
)


class InterfaceName(Name):
    """A network interface: at most 15 bytes (IFNAMSIZ - 1, <linux/if.h>), no `/`, no space, not reserved."""

    pattern = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
    code = "NC0107"
    noun = "an interface's name"
    cure = "use 1 to 15 of A-Z, a-z, 0-9, `_`, `.` and `-`"

    def check(self) -> None:
        if len(self) > 15:
            what = f"{quoted(self)} has {len(self)} characters, and an interface name has at most 15"
            raise Wrong(self.code, what, "write a shorter name")
        if self in RESERVED_INTERFACES:
            raise Wrong("NC0108", f"the kernel reserves the interface name `{self}`", "write another name")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        named = super().__get_pydantic_json_schema__(schema, handler)
        return named | {"maxLength": 15, "not": {"enum": sorted(RESERVED_INTERFACES)}}


class ProtocolName(Name):
    """One of BIRD's protocols. BIRD and its client take it without quotes: at most 64 characters (conf/cf-lex.l)."""

    pattern = r"[A-Za-z][A-Za-z0-9_]{0,63}"
    noun = "a protocol's name"
    cure = "use 1 to 64 of A-Z, a-z, 0-9 and `_`, beginning with a letter"

    @classmethod
    def of(cls, kind: str, name: str) -> Self:
        """`peer`, `east-2`: `peer_east_2`. No keyword of BIRD's begins with a kind and `_`."""
        return cls(f"{kind}_{re.sub('[^A-Za-z0-9]', '_', name)}")


class GroupName(Name):
    """A group of the host, with a name that Debian's groupadd(8) accepts by default."""

    pattern = r"[a-z_][a-z0-9_-]{0,31}"
    noun = "a group's name"
    cure = "use 1 to 32 of a-z, 0-9, `_` and `-`, beginning with a letter or `_`"

    @classmethod
    def cure_of(cls, text: str) -> str:
        return (
            f"write the group's name, as `getent group {text}` shows it"
            if re.fullmatch("[0-9]{1,10}", text)
            else cls.cure
        )


class UserName(GroupName):
    noun = "a user's name"

    @classmethod
    def cure_of(cls, text: str) -> str:
        return (
            f"write the login name, as `getent passwd {text}` shows it"
            if re.fullmatch("[0-9]{1,10}", text)
            else cls.cure
        )


COMMON_COMMANDS = (
    "apt-get awk basename bash bird birdc boringtun cat chgrp chmod chown chroot chrt cmp comm conntrack cp curl"
    " cut date dd df diff dig dir dirname doas docker du echo env expr fallocate false file find flock free getent"
    " git gpasswd grep group groupadd groupdel gzip head host hostname htop id ifconfig install ionice ip"
    " ip6tables ip6tables-restore ip6tables-save ipset iptables iptables-restore iptables-save journalctl kill"
    " kmod last less link ln logger login ls lsmod machinectl make man mkdir mkfifo mktemp modprobe more mount"
    " mountpoint mv nano netc netc-host newgrp nft nice nohup nproc nsenter od passwd ping podman printf ps pwd"
    " python python3 readlink realpath resolvectl rm rmdir route rsync scp screen sed seq service setpriv setsid"
    " sg sh sha256sum size sleep socat sort split ss ssh ssh-keygen stat stdbuf stty su sudo sync sysctl systemctl"
    " systemd systemd-analyze systemd-notify systemd-nspawn systemd-run systemd-sysusers tac tail tar taskset tee"
    " test time timeout tmux top touch tr true truncate umount uname uniq unlink unshare useradd userdel usermod"
    " vi vim watch wc wg wg-quick wget which who whoami wireguard-go xargs"
)
"""What people and scripts call, netc's own too; /usr/local/bin comes first in PATH."""


class CommandName(Name):
    """A file in /usr/local/bin."""

    pattern = r"[a-z][a-z0-9_-]{0,31}"
    noun = "a command's name"
    cure = "use 1 to 32 of a-z, 0-9, `_` and `-`, beginning with a letter"

    def check(self) -> None:
        if self in COMMON_COMMANDS.split():
            raise Wrong(
                self.code, f"`{self}` in /usr/local/bin would hide the command of that name", "write another name"
            )


class DnsName(Name):
    """A name that is looked up on the host (RFC 1123 section 2.1)."""

    pattern = r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    code = "NC0111"
    noun = "an address or a DNS name"
    cure = "write `192.0.2.1`, `2001:db8::1` or `vpn.example.net`"


class PublicKey(Name):
    """A WireGuard public key: 32 bytes in base64 (wg(8))."""

    pattern = r"[A-Za-z0-9+/=]{1,100}"
    code = "NC0113"
    noun = "a WireGuard public key"
    cure = "write the 44 characters that `wg pubkey` prints"

    def check(self) -> None:
        try:
            raw = base64.b64decode(self, validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) != 32 or base64.b64encode(raw).decode() != self:
            raise Wrong(self.code, f"{quoted(self)} is not the base64 of 32 bytes", self.cure)
        if not any(raw):
            raise Wrong(self.code, "a key of zeros is not a key", self.cure)


class HostPath(Name):
    """An absolute path on the target."""

    pattern = r"(/[A-Za-z0-9_.+@=:-]{1,100}){1,20}"
    code = "NC0114"
    noun = "an absolute path on the host"
    cure = "write the whole path from `/`, with A-Z, a-z, 0-9 and `_.+@=:-`"

    def check(self) -> None:
        if ".." in PurePosixPath(self).parts:
            raise Wrong(self.code, f"`{self}` has `..` in it", "write the path without `..`")


class Argument(Name):
    """A word of a command line that the host runs, without a shell."""

    pattern = r"[ -~]{1,300}"
    noun = "an argument of a program"
    cure = "use printable ASCII, and an entry for each word"


class CredentialName(Name):
    """A systemd credential (systemd.exec(5), CREDENTIALS)."""

    pattern = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}"
    noun = "a credential's name"
    cure = "use A-Z, a-z, 0-9, `_`, `.` and `-`"
