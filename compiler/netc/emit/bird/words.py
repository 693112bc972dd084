"""Prints BIRD's filters: one statement a line, one tab a block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from netc.emit.bird.filtering import (
    Accept,
    Add,
    Again,
    All,
    Assign,
    Begins,
    Call,
    Communities,
    Condition,
    Constant,
    Defined,
    Differs,
    Forget,
    Has,
    In,
    Is,
    Longer,
    Not,
    Note,
    Number,
    Numbers,
    Pairs,
    Prefixes,
    Reject,
    Roa,
    RoaTable,
    Set,
    Statement,
    When,
    Words,
)
from netc.emit.render import comment, token
from netc.plan.bgp import Accepted
from netc.plan.communities import Community

Lines = Iterator[str]


def block(head: str, inner: Iterable[str], end: str = "") -> list[str]:
    return [f"{head} {{", *[f"\t{line}" for line in inner], f"}}{end}"]


_SYMBOL = re.compile(r"[a-z][a-z0-9_]{0,30}")


def symbol(name: str) -> str:
    if not _SYMBOL.fullmatch(name):
        raise TypeError(f"{name!r} is no name of a function or a table")
    return name


_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,30}")


def name(of: Constant) -> str:
    if not _NAME.fullmatch(of.name):
        raise TypeError(f"{of.name!r} is no name of a constant")
    return of.name


def define(constant: Constant) -> str:
    return f"define {name(constant)} = {_value(constant)}; # {comment(constant.about)}"


def _value(constant: Constant) -> str:
    match constant:
        case Number(_, number):
            return token(number)
        case Community(_, numbers):
            return f"({', '.join(map(token, numbers))})"
        case Communities(_, asn, _, _, True):
            return f"[ ({token(asn)}, *) ]"
        case Communities(_, asn, second):
            return f"[ ({token(asn)}, {'*' if second is None else token(second)}, *) ]"


def one_of(word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise TypeError(f"{word!r} is none of {words}")
    return word


def roa_table(table: RoaTable) -> str:
    return f"{one_of(table.kind, ('roa', 'flap'))}s{token(table.family)}"  # `roa4` is a word of BIRD's own


def body(statements: Iterable[Statement]) -> Lines:
    for statement in statements:
        yield from _statement(statement)


def _statement(statement: Statement) -> Lines:
    match statement:
        case Accept():
            yield "accept;"
        case Reject():
            yield "reject;"
        case Note(words):
            yield f"# {comment(words)}"
        case Call(function):
            yield f"{symbol(function.name)}();"
        case Again(attribute):
            yield f"{attribute} = {attribute};"
        case Assign(attribute, value, added):
            yield f"{attribute} = {attribute + ' + ' if added else ''}{token(value)};"
        case Add(community):
            yield f"{_list(community)}.add({name(community)});"
        case Forget(attribute, of):
            yield f"{attribute}.delete({_set(of)});"
        case When(condition, (inner,), ()) if not isinstance(inner, When):
            yield f"if {_condition(condition)} then {' '.join(_statement(inner))}"
        case When(condition, then, otherwise):
            yield f"if {_condition(condition)} then {{"
            yield from (f"\t{line}" for line in body(then))
            if otherwise:
                yield "} else {"
                yield from (f"\t{line}" for line in body(otherwise))
            yield "}"


def _condition(condition: Condition) -> str:
    match condition:
        case In(left, of):
            return f"{left} ~ {_set(of)}"
        case Begins(first, then):
            return f"bgp_path ~ [= {_set(first)}+{f' {_set(then)}+' if then else ''} =]"
        case Has(community):
            return f"{name(community)} ~ {_list(community)}"
        case Is(left, value):
            return f"{left} = {token(value) if isinstance(value, int) else value}"
        case Differs(left, right):
            return f"{left} != {right}"
        case Longer(left, than):
            return f"{left} > {token(than)}"
        case Defined(attribute):
            return f"defined({attribute})"
        case Roa(table, verdict, origin):
            by = "bgp_path.last" if origin is None else token(origin)
            return f"roa_check({roa_table(table)}, net, {by}) = {verdict}"
        case Not(inner):
            return f"! ({_condition(inner)})"
        case All(conditions):
            return " && ".join(map(_condition, conditions))


def _set(of: Set) -> str:
    match of:
        case Prefixes(patterns):
            return f"[ {', '.join(map(_pattern, patterns))} ]" if patterns else "[]"
        case Numbers(spans):
            return f"[ {', '.join(_span(*span) for span in spans)} ]" if spans else "[]"
        case Words(names):
            return f"[ {', '.join(names)} ]"
        case Pairs(asn, first, last):
            return f"[ ({name(asn)}, {_span(first, last)}) ]"
        case Communities():
            return name(of)


def _pattern(accepted: Accepted) -> str:
    net, least, most = accepted.net, accepted.least, accepted.most
    if least == most == net.prefixlen:
        return token(net)
    if least == net.prefixlen and most == (32 if net.version == 4 else 128):
        return f"{token(net)}+"
    return f"{token(net)}{{{token(least)},{token(most)}}}"


def _span(first: int, last: int) -> str:
    return token(first) if first == last else f"{token(first)}..{token(last)}"


def _list(community: Community) -> str:
    return "bgp_community" if len(community.numbers) == 2 else "bgp_large_community"
