"""The one ledger of a connection."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rest_channels.engine.subscriptions import Ledger
from rest_channels.exceptions import TooManySubscriptions


def test_a_membership_begins_with_the_first_that_asks_and_ends_with_the_last() -> None:
    ledger = Ledger(10)
    assert ledger.add("room", "one") is True
    assert ledger.add("room", "two") is False
    assert ledger.discard("room", "one") is False
    assert "room" in ledger
    assert ledger.discard("room", "two") is True
    assert "room" not in ledger


def test_asking_twice_is_asking_once() -> None:
    ledger = Ledger(1)
    assert ledger.add("room") is True
    assert ledger.add("room") is False
    assert len(ledger) == 1
    assert ledger.discard("room") is True
    assert ledger.discard("room") is False


def test_who_never_asked_ends_nothing() -> None:
    ledger = Ledger(10)
    ledger.add("room", "one")
    assert ledger.discard("room", "two") is False
    assert ledger.discard("other", "one") is False
    assert ledger.askers("room") == {"one"}


def test_a_full_ledger_refuses_and_takes_again_once_there_is_room() -> None:
    ledger = Ledger(2)
    ledger.add("a")
    ledger.add("b", 1)
    for group, asker in (("c", None), ("b", 2)):
        with pytest.raises(TooManySubscriptions, match="at most 2"):
            ledger.add(group, asker)
    assert ledger.add("a") is False
    ledger.discard("b", 1)
    assert ledger.add("c") is True


def test_what_was_refused_leaves_no_trace() -> None:
    ledger = Ledger(0)
    with pytest.raises(TooManySubscriptions):
        ledger.add("a")
    assert ("a" in ledger, len(ledger), list(ledger), ledger.askers("a")) == (False, 0, [], set())


def test_clearing_names_every_group_once_and_makes_room() -> None:
    ledger = Ledger(3)
    for group, asker in (("a", 1), ("a", 2), ("b", 1)):
        ledger.add(group, asker)
    assert sorted(ledger.clear()) == ["a", "b"]
    assert ledger.clear() == []
    assert (len(ledger), list(ledger)) == (0, [])
    assert ledger.add("a", 1) is True


def test_groups_may_be_left_while_going_through_them() -> None:
    ledger = Ledger(3)
    for group in "abc":
        ledger.add(group)
    for group in ledger:
        ledger.discard(group)
    assert len(ledger) == 0


class AgainstPairs(RuleBasedStateMachine):
    """A ledger is a bounded set of pairs, and tells when a group's first comes or last goes."""

    LIMIT = 5

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.LIMIT)
        self.pairs = set()

    groups = st.sampled_from(["a", "b", "c"])
    askers = st.sampled_from([None, 1, "x", (1, 2)])

    def wanted(self):
        return {group for group, _asker in self.pairs}

    @rule(group=groups, asker=askers)
    def add(self, group, asker) -> None:
        before = self.wanted()
        if (group, asker) not in self.pairs and len(self.pairs) == self.LIMIT:
            with pytest.raises(TooManySubscriptions):
                self.ledger.add(group, asker)
            return
        self.pairs.add((group, asker))
        assert self.ledger.add(group, asker) is (group not in before)

    @rule(group=groups, asker=askers)
    def discard(self, group, asker) -> None:
        before = self.wanted()
        self.pairs.discard((group, asker))
        ended = group in before and group not in self.wanted()
        assert self.ledger.discard(group, asker) is ended

    @rule()
    def clear(self) -> None:
        assert set(self.ledger.clear()) == self.wanted()
        self.pairs.clear()

    @invariant()
    def the_books_agree(self) -> None:
        assert len(self.ledger) == len(self.pairs)
        assert set(self.ledger) == self.wanted()
        for group in "abc":
            assert (group in self.ledger) is (group in self.wanted())
            assert self.ledger.askers(group) == {a for g, a in self.pairs if g == group}


TestAgainstPairs = AgainstPairs.TestCase
TestAgainstPairs.settings = settings(
    derandomize=True, database=None, deadline=None, max_examples=60, stateful_step_count=30
)
