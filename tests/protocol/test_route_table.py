"""Route tables find the handler for a name."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rest_channels.protocol.route_table import RouteTable


def test_a_table_finds_a_name_only_if_it_is_equal() -> None:
    table = RouteTable([("MOVE", 1)])
    assert table.find("MOVE") == 1
    for name in ("", "MOV", "MOVES", "move", " MOVE", None):
        assert table.find(name) is None


def test_an_empty_table_finds_no_handler() -> None:
    assert RouteTable().find("MOVE") is None
    assert RouteTable().routes == ()


def test_a_pattern_matches_the_beginning_of_a_name() -> None:
    table = RouteTable([(re.compile("GAME_"), 1), (re.compile(r"\d+$"), 2)])
    assert table.find("GAME_OVER") == 1
    assert table.find("42") == 2
    assert table.find("THE_GAME_") is None
    assert table.find("42a") is None


def test_the_last_matching_route_wins_whether_name_or_pattern() -> None:
    name, pattern, other = ("A", "name"), (re.compile("A"), "pattern"), (re.compile("A|B"), "other")
    assert RouteTable([name, pattern]).find("A") == "pattern"
    assert RouteTable([pattern, name]).find("A") == "name"
    assert RouteTable([pattern, name, other]).find("A") == "other"
    assert RouteTable([other, pattern]).find("A") == "pattern"
    assert RouteTable([name, ("A", "again")]).find("A") == "again"


def test_a_subclass_overrides_routes_of_its_base_by_adding_its_own_at_the_end() -> None:
    base = RouteTable([("A", 1), ("B", 1)])
    table = RouteTable((*base.routes, ("A", 2)))
    assert (table.find("A"), table.find("B"), base.find("A")) == (2, 1, 1)


def test_a_table_never_treats_text_as_a_pattern() -> None:
    assert RouteTable([(".*", 1)]).find("A") is None
    assert RouteTable([(".*", 1)]).find(".*") == 1


def test_a_handler_may_be_any_value_including_a_false_one() -> None:
    assert RouteTable([("A", 0), (re.compile("B"), "")]).find("A") == 0
    assert RouteTable([("A", 0), (re.compile("B"), "")]).find("B") == ""


def test_a_table_respects_the_flags_of_a_pattern() -> None:
    assert RouteTable([(re.compile("move", re.IGNORECASE), 1)]).find("MOVE") == 1


@pytest.mark.parametrize("name", [None, 5, b"MOVE", re.compile(b"MOVE"), ["MOVE"], object()])
def test_a_table_rejects_a_route_that_is_neither_text_nor_a_text_pattern(name) -> None:
    with pytest.raises(TypeError, match="A route is text or a compiled text pattern"):
        RouteTable([(name, 1)])


def test_a_table_does_not_change_when_its_list_of_routes_changes() -> None:
    routes = [("A", 1)]
    table = RouteTable(routes)
    routes.append(("B", 2))
    assert table.find("B") is None


NAMES = ["A", "B", "AB", "BA", "AA", ""]
PATTERNS = [re.compile(text) for text in ("A", "B", "A.", ".B$", "", "$", "AB|BA")]


def search_from_end(routes, name):
    for key, handler in reversed(routes):
        if key == name if isinstance(key, str) else key.match(name):
            return handler
    return None


@settings(derandomize=True, database=None, deadline=None)
@given(st.lists(st.sampled_from([*NAMES, *PATTERNS]), max_size=12))
def test_every_table_finds_the_handler_that_a_search_from_the_end_finds(keys) -> None:
    routes = [(key, position) for position, key in enumerate(keys)]
    table = RouteTable(routes)
    for name in NAMES:
        assert table.find(name) == search_from_end(routes, name)
