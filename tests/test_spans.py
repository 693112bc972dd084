"""Claims about source spans: the place of a key path is where an author would look."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from netc.diagnostic import KeyPath, Place
from netc.language.spans import Spans


def shown(text: str, path: KeyPath, *, on_key: bool = False) -> tuple[int, int, str]:
    """Line, column, and the text that the place covers."""
    place = Spans("topo.toml", text).of(path, on_key=on_key)
    return place.line, place.column, covered(place)


def covered(place: Place) -> str:
    return place.source[place.column - 1 : place.end - 1]


def test_a_value_has_its_own_place() -> None:
    assert shown('[hosts.edge]\nmtu = 1400\nname = "x"\n', ("hosts", "edge", "name")) == (3, 8, '"x"')


def test_a_key_has_its_own_place() -> None:
    assert shown("[hosts.edge]\nmtu = 1400\n", ("hosts", "edge", "mtu"), on_key=True) == (2, 1, "mtu")


def test_the_place_names_the_file_and_holds_the_whole_line() -> None:
    place = Spans("a/topo.toml", "x = 1 # why\n").of(("x",))

    assert place == Place("a/topo.toml", line=1, column=5, end=6, source="x = 1 # why")


@pytest.mark.parametrize(
    ("path", "on_key", "expected"),
    [
        (("a", "b"), False, (1, 2, "a.b")),
        (("a", "b"), True, (1, 4, "b")),
        (("a",), False, (1, 2, "a")),
        (("a",), True, (1, 2, "a")),
        (("a", "b", "c", "d"), False, (3, 5, "1")),
    ],
)
def test_the_place_of_a_table_is_its_header(path: KeyPath, on_key: bool, expected: tuple[int, int, str]) -> None:
    text = "[a.b]\n[a.b.c]\nd = 1\n"

    assert shown(text, path, on_key=on_key) == expected


def test_a_table_s_own_header_beats_the_headers_that_pass_through_it() -> None:
    text = "[a.b]\nx = 1\n[a]\ny = 2\n[a.c]\n"

    assert shown(text, ("a",)) == (3, 2, "a")
    assert shown(text, ("a",), on_key=True) == (3, 2, "a")
    assert shown(text, ("a", "b", "x")) == (2, 5, "1")
    assert shown(text, ("a", "y")) == (4, 5, "2")


def test_each_table_of_an_array_has_its_own_place() -> None:
    text = "[[r]]\nx = 1\n[[r]]\nx = 2\n[r.sub]\ny = 3\n[[r.more]]\n[[r.more]]\nz = 4\n"

    assert shown(text, ("r",)) == (1, 3, "r")
    assert shown(text, ("r", 0, "x")) == (2, 5, "1")
    assert shown(text, ("r", 1)) == (3, 3, "r")
    assert shown(text, ("r", 1, "x")) == (4, 5, "2")
    assert shown(text, ("r", 1, "sub")) == (5, 2, "r.sub")
    assert shown(text, ("r", 1, "sub", "y")) == (6, 5, "3")
    assert shown(text, ("r", 1, "more", 1)) == (8, 3, "r.more")
    assert shown(text, ("r", 1, "more", 1, "z")) == (9, 5, "4")


def test_each_part_of_a_dotted_key_has_a_place() -> None:
    text = "a . b.c = 1\na.d = 2\n"

    assert shown(text, ("a", "b", "c")) == (1, 11, "1")
    assert shown(text, ("a", "b", "c"), on_key=True) == (1, 7, "c")
    assert shown(text, ("a", "b")) == (1, 5, "b")
    assert shown(text, ("a", "d")) == (2, 7, "2")


def test_quoted_keys_are_found_by_their_value() -> None:
    text = '["a.b".\'c\\d\']\n"t\\u0061b\\t" = 1\n"" = 2\n'

    assert shown(text, ("a.b", "c\\d")) == (1, 2, "\"a.b\".'c\\d'")
    assert shown(text, ("a.b", "c\\d", "tab\t")) == (2, 16, "1")
    assert shown(text, ("a.b", "c\\d", ""), on_key=True) == (3, 1, '""')


def test_values_in_inline_tables_and_nested_arrays_have_places() -> None:
    text = "a = [1, [2, {x = 3, y.z = [4]}],\n # c\n 5]\n"

    assert shown(text, ("a", 0)) == (1, 6, "1")
    assert shown(text, ("a", 1, 0)) == (1, 10, "2")
    assert shown(text, ("a", 1, 1)) == (1, 13, "{x = 3, y.z = [4]}")
    assert shown(text, ("a", 1, 1, "x")) == (1, 18, "3")
    assert shown(text, ("a", 1, 1, "y", "z", 0)) == (1, 28, "4")
    assert shown(text, ("a", 2)) == (3, 2, "5")


def test_an_item_of_a_list_is_its_own_key() -> None:
    assert shown("a = [1, 22]\n", ("a", 1), on_key=True) == (1, 9, "22")


def test_a_value_over_several_lines_is_shown_by_its_first() -> None:
    text = 'a = [ # two\r\n  1,\r\n  2]\r\nb = """x\r\ny"""\r\nc = 1\r\n'

    assert shown(text, ("a",)) == (1, 5, "[ # two")
    assert shown(text, ("a", 1)) == (3, 3, "2")
    assert shown(text, ("b",)) == (4, 5, '"""x')
    assert shown(text, ("c",)) == (6, 5, "1")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("a", "b", "missing"), (1, 4, "b")),
        (("a", "b", "missing", 3, "deeper"), (1, 4, "b")),
        (("a", "b", "list", 7), (2, 1, "list")),
        (("a", "b", "list", 0, "missing"), (2, 9, "{x = 1}")),
        (("a", "b", "list", 0, "x", "too deep"), (2, 10, "x")),
        (("missing",), (1, 1, "")),
        ((), (1, 1, "")),
    ],
)
def test_a_missing_path_has_the_place_of_the_nearest_key(path: KeyPath, expected: tuple[int, int, str]) -> None:
    text = "[a.b]\nlist = [{x = 1}]\n"

    assert shown(text, path) == expected
    assert shown(text, path, on_key=True) == expected


def test_line_ends_of_windows_are_no_part_of_a_line() -> None:
    place = Spans("f", "[a]\r\nx = 1\r\n").of(("a", "x"))

    assert place == Place("f", line=2, column=5, end=6, source="x = 1")


def test_a_byte_order_mark_takes_no_column() -> None:
    place = Spans("f", "\ufeffx = 1\n").of(("x",))

    assert place == Place("f", line=1, column=5, end=6, source="x = 1")


def test_columns_count_characters() -> None:
    text = '"größe" = "日本" # 😀\nx = ["é\u2028", "ü"]\n'

    assert shown(text, ("größe",)) == (1, 11, '"日本"')
    assert shown(text, ("x", 1)) == (2, 12, '"ü"')


def test_a_tab_is_one_column() -> None:
    assert shown("\tx\t=\t1\n", ("x",)) == (1, 6, "1")


def test_blanks_after_a_backslash_at_the_end_of_a_line_are_fine() -> None:
    text = 'a = """\\ \t\n  x\\\\  \n\n"""\nb = 1\n'
    tomllib.loads(text)

    assert shown(text, ("b",)) == (5, 5, "1")


@pytest.mark.parametrize("text", ["", "\n", "x = ", "[a\nb = 1", "x = 1\n]] = [", '"\\ud800" = 1'])
def test_the_place_in_invalid_toml_is_the_first_line(text: str) -> None:
    place = Spans("f", text).of(("a", "b"))

    assert (place.line, place.column, place.end) == (1, 1, 1)


# --- generated documents

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
keys = st.one_of(st.sampled_from(["a", "b", "edge-home", "a.b", "", 'q"', "\\"]), words)
scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    words,
    st.sampled_from([date(2020, 1, 2), time(3, 4, 5), datetime(2020, 1, 2, 3, 4, 5)]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, max_size=5)


@st.composite
def styled(draw: st.DrawFn) -> str:
    """A document as tomlkit prints it, with strings, tables and arrays in assorted styles."""

    def item(value: Any, *, nested: bool) -> Any:
        match value:
            case dict():
                table = tomlkit.inline_table() if nested or draw(st.booleans()) else tomlkit.table()
                inline = nested or isinstance(table, tomlkit.items.InlineTable)
                for key, inner in value.items():
                    table.append(tomlkit.key(key), item(inner, nested=inline))
                return table
            case list() if value and not nested and all(isinstance(v, dict) for v in value) and draw(st.booleans()):
                tables = tomlkit.aot()
                for inner in value:
                    table = tomlkit.table()
                    for key, deeper in inner.items():
                        table.append(tomlkit.key(key), item(deeper, nested=True))
                    tables.append(table)
                return tables
            case list():
                array = tomlkit.array()
                for inner in value:
                    array.append(item(inner, nested=True))
                return array.multiline(draw(st.booleans()))
            case str() if "'" not in value and draw(st.booleans()):
                return tomlkit.string(value, literal=True)
            case _:
                return tomlkit.item(value)

    document = tomlkit.document()
    plain = draw(documents)
    # Bare values come first: after a header they would belong to its table.
    for key, value in sorted(plain.items(), key=lambda pair: isinstance(pair[1], dict | list)):
        if draw(st.booleans()):
            document.add(tomlkit.comment("é = 1"))
        made = item(value, nested=False)
        if not isinstance(made, tomlkit.items.AoT) and draw(st.booleans()):
            made.comment("[é] = {")
        document.append(tomlkit.key(key), made)
    text = tomlkit.dumps(document)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
    else:
        for key, deeper in inner:
            yield from leaves(deeper, (*path, key))


@given(styled())
def test_the_text_at_a_scalar_s_place_reads_as_that_scalar(text: str) -> None:
    spans = Spans("f", text)
    for path, value in leaves(tomllib.loads(text)):
        again = tomllib.loads(f"x = {covered(spans.of(path))}")["x"]

        assert repr(again) == repr(value), path


@given(styled())
def test_the_text_at_a_key_s_place_reads_as_that_key(text: str) -> None:
    spans = Spans("f", text)
    for path, _ in leaves(tomllib.loads(text)):
        named = [length for length in range(1, len(path) + 1) if isinstance(path[length - 1], str)]
        for length in named:
            key = covered(spans.of(path[:length], on_key=True))

            assert list(tomllib.loads(f"{key} = 0")) == [path[length - 1]]
