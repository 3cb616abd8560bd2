"""What differs between two lists: exact, and with as few moves as possible."""

import random
from itertools import combinations

import pytest

from rest_channels.live.diff import apply, compare


def random_list(chance, keys):
    chosen = chance.sample(range(keys), chance.randint(0, keys))
    return {key: chance.randint(0, 2) for key in chosen}


def longest_run(numbers):
    """The length of a longest increasing run, found by trying all."""
    for length in range(len(numbers), 0, -1):
        if any([*run] == sorted(run) for run in combinations(numbers, length)):
            return length
    return 0


@pytest.mark.parametrize("seed", range(200))
def test_a_difference_applied_whole_gives_exactly_the_new_list(seed) -> None:
    chance = random.Random(seed)
    told, new = random_list(chance, 40), random_list(chance, 40)
    diff = compare(told, new)
    assert apply(told, diff.leave, diff.enter, diff.move) == [*new]
    chance.shuffle(diff.enter)
    chance.shuffle(diff.move)
    assert apply(told, diff.leave, diff.enter, diff.move) == [*new]


@pytest.mark.parametrize("seed", range(50))
def test_a_difference_names_each_change_and_has_the_fewest_moves(seed) -> None:
    chance = random.Random(seed)
    told, new = random_list(chance, 9), random_list(chance, 9)
    diff = compare(told, new)
    places = [*told]
    staying = [places.index(key) for key in new if key in told]
    assert {*diff.leave} == told.keys() - new.keys()
    assert {key for _after, key in diff.enter} == new.keys() - told.keys()
    assert {*diff.change} == {key for key in told if key in new and told[key] != new[key]}
    assert len(diff.move) == len(staying) - longest_run(staying)


def test_equal_lists_differ_in_nothing() -> None:
    assert compare({1: "a", 2: "b"}, {1: "a", 2: "b"}).is_empty


def test_a_row_that_goes_to_the_end_is_the_only_one_that_moves() -> None:
    told = dict.fromkeys(range(1_000))
    new = dict.fromkeys([*range(1, 1_000), 0])
    assert compare(told, new).move == [(999, 0)]
