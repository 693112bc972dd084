"""What finds overlaps in a moment finds what comparing everything with everything finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork

from netc.network.lookup import Longest
from netc.network.once import once
from netc.network.overlaps import first_overlaps
from netc.network.spans import Spans

NUMBERS = st.integers(0, 30)
RANGES = st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair)))
PREFIXES = st.tuples(st.sampled_from((4, 6)), st.integers(0, 15), st.integers(0, 5)).map(
    lambda one: IPNetwork(f"{IPAddress(one[1], one[0])}/{(32 if one[0] == 4 else 128) - one[2]}")
)


@given(st.lists(RANGES), RANGES)
def test_spans_find_every_range_that_meets_another(ranges: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    spans = Spans((first, last, number) for number, (first, last) in enumerate(ranges))
    first, last = asked

    assert sorted(spans.meeting(first, last)) == [n for n, (a, b) in enumerate(ranges) if a <= last and first <= b]
    assert spans.within(first, last) == any(first <= a and b <= last for a, b in ranges)
    assert spans.holds(first, last) == any(a <= first and last <= b for a, b in ranges)


@given(st.lists(st.tuples(PREFIXES, st.integers(0, 3))))
def test_first_overlaps_finds_the_first_prefix_of_another_owner(prefixes: list[tuple[IPNetwork, int]]) -> None:
    expected = [
        next((n for n, (b, its) in enumerate(prefixes[:index]) if its != owner and (a in b or b in a)), None)
        for index, (a, owner) in enumerate(prefixes)
    ]

    assert first_overlaps(prefixes) == expected


@given(st.lists(PREFIXES), st.integers(0, 40), st.sampled_from((4, 6)))
def test_longest_finds_the_longest_prefix_that_holds_an_address(
    prefixes: list[IPNetwork], number: int, version: int
) -> None:
    address = IPAddress(number, version)
    holding = [n for n, net in enumerate(prefixes) if address in net]
    longest = max(holding, key=lambda n: (prefixes[n].prefixlen, -n), default=None)

    assert Longest((net, n) for n, net in enumerate(prefixes)).of(address) == longest


def test_a_cached_answer_belongs_to_one_value_and_is_dropped_with_it() -> None:
    asked: list[tuple[str, object]] = []

    @once
    def of(word: str, value: list[int]) -> int:
        asked.append((word, value))
        return len(value)

    one, same = [1, 2], [1, 2]
    assert [of("a", one), of("a", one), of("b", one), of("a", same)] == [2, 2, 2, 2]
    assert [word for word, _ in asked] == ["a", "b", "a"]
    assert asked[2][1] is same
    of("a", [])
    of("a", one)
    assert len(asked) == 5, "of the values before the last two nothing is kept"
