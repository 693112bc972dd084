"""Prints BIRD's filters: one statement a line, one tab a block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from netaddr import IPAddress

from netc.emit.bird.filtering import (
    Accept,
    Add,
    Again,
    All,
    Any,
    Argument,
    Asns,
    Assign,
    Begins,
    Call,
    Communities,
    Condition,
    Constant,
    Defined,
    Differs,
    Filter,
    Fixed,
    Forget,
    Function,
    Has,
    In,
    Inside,
    Is,
    Longer,
    Not,
    Note,
    Number,
    Numbers,
    Prefixes,
    Refuse,
    Reject,
    Roa,
    RoaTable,
    Set,
    Statement,
    When,
    Words,
)
from netc.emit.render import comment, token
from netc.language.names import InterfaceName, ProtocolName
from netc.plan.bgp import Accepted
from netc.plan.communities import Community

Lines = Iterator[str]


def block(head: str, inner: Iterable[str], end: str = "") -> list[str]:
    return [f"{head} {{", *[f"\t{line}" for line in inner], f"}}{end}"]


WIDTH = 120


def short(head: str, inner: list[str], end: str = "") -> list[str]:
    """A block in one line, if it is short. An `include` needs a line of its own."""
    line = f"{head} {{ {' '.join(inner)} }}{end}"
    is_plain = not any(re.search(r"#|^\t|^include|^if ", one) for one in inner)
    return [line] if is_plain and len(line) <= WIDTH else block(head, inner, end)


def described(head: str, about: str, inner: Iterable[str]) -> list[str]:
    """A protocol that says what it is, here and in `birdc show protocols all`."""
    return block(head, [f'description "{comment(about.rstrip("."))}";', *inner])


def device(name: InterfaceName) -> str:
    return f'"{token(name)}"'


def policy(verb: str, policy: Filter) -> list[str]:
    if isinstance(policy, bool):
        return [f"{verb} {'all' if policy else 'none'};"]
    return short(f"{verb} filter", list(body(policy)), ";")


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
        case Asns(_, spans):
            return _set(Numbers(spans))
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


def function(of: Function) -> Lines:
    arguments = "; ".join(f"{argument.type} {symbol(argument.name)}" for argument in of.arguments)
    yield from (f"# {comment(line)}" for line in of.about)
    yield from block(f"function {symbol(of.name)}({arguments})", body(of.body))


def body(statements: Iterable[Statement]) -> Lines:
    for statement in statements:
        yield from _statement(statement)


def _statement(statement: Statement) -> Lines:
    match statement:
        case Accept():
            yield "accept;"
        case Reject():
            yield "reject;"
        case Refuse(reason):
            yield f'refuse("{comment(reason)}");'
        case Fixed(text):
            yield from text.splitlines()
        case Note(words):
            yield f"# {comment(words)}"
        case Call(called, values):
            yield f"{symbol(called)}({', '.join(map(_value_of, values))});"
        case Again(attribute):
            yield f"{attribute} = {attribute};"
        case Assign(attribute, value, added):
            yield f"{attribute} = {attribute + ' + ' if added else ''}{_value_of(value)};"
        case Add(community):
            yield f"{_list(community)}.add({_value_of(community)});"
        case Forget(attribute, of):
            yield f"{attribute}.delete({_set(of)});"
        case When(condition, (inner,), ()) if not isinstance(inner, When):
            yield f"if {_condition(condition)} then {' '.join(_statement(inner))}"
        case When(condition, (Assign() as one,), (Assign() as other,)):
            yield f"if {_condition(condition)} then {' '.join(_statement(one))}"
            yield f"else {' '.join(_statement(other))}"
        case When(condition, then, otherwise):
            yield f"if {_condition(condition)} then {{"
            yield from (f"\t{line}" for line in body(then))
            if len(otherwise) == 1 and isinstance(otherwise[0], When):
                first, *others = _statement(otherwise[0])
                yield from (f"}} else {first}", *others)
            elif otherwise:
                yield "} else {"
                yield from (f"\t{line}" for line in body(otherwise))
                yield "}"
            else:
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
            return f"{left} = {_is(value)}"
        case Differs(left, right):
            return f"{left} != {right if isinstance(right, str) else _value_of(right)}"
        case Inside(address, net):
            return f"{address} ~ {token(net)}"
        case Longer(left, than):
            return f"{left} > {token(than)}"
        case Defined(attribute):
            return f"defined({attribute})"
        case Roa(table, verdict, origin):
            by = "bgp_path.last" if origin is None else token(origin)
            return f"roa_check({roa_table(table)}, net, {by}) = {verdict}"
        case Not(In() | Inside() | Has() | Is() | Begins() | Roa() as inner):
            return re.sub(r" (~|=) ", r" !\1 ", _condition(inner), count=1)
        case Not(inner):
            return f"! ({_condition(inner)})"
        case All(conditions):
            return " && ".join(map(_operand, conditions))
        case Any(conditions):
            return " || ".join(map(_operand, conditions))


def _is(value: str | int) -> str:
    if isinstance(value, InterfaceName | ProtocolName):
        return f'"{token(value)}"'
    return value if isinstance(value, str) else token(value)


def _operand(condition: Condition) -> str:
    """BIRD reads `&&` and `||` from left to right: neither binds closer."""
    return f"({_condition(condition)})" if isinstance(condition, All | Any) else _condition(condition)


def _set(of: Set) -> str:
    match of:
        case Prefixes(patterns):
            return f"[ {', '.join(map(_pattern, patterns))} ]" if patterns else "[]"
        case Numbers(spans):
            return f"[ {', '.join(_span(*span) for span in spans)} ]" if spans else "[]"
        case Words(names):
            return f"[ {', '.join(names)} ]"
        case Communities() | Asns():
            return name(of)


def _pattern(accepted: Accepted) -> str:
    net, least, most = accepted.net, accepted.least, accepted.most
    if least == most == net.prefixlen:
        return token(net)
    if least == net.prefixlen and most == (32 if net.version == 4 else 128):
        return f"{token(net)}+"
    if least == 0 and most == net.prefixlen:
        return f"{token(net)}-"
    return f"{token(net)}{{{token(least)},{token(most)}}}"


def _span(first: int, last: int) -> str:
    return token(first) if first == last else f"{token(first)}..{token(last)}"


def _list(community: Community | Argument) -> str:
    is_small = isinstance(community, Community) and len(community.numbers) == 2
    return "bgp_community" if is_small else "bgp_large_community"


def _value_of(value: int | IPAddress | Argument | Community) -> str:
    match value:
        case Argument():
            return symbol(value.name)
        case Community():
            return name(value)
        case _:
            return token(value)
