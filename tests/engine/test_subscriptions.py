"""The groups of one connection and their subscribers."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rest_channels.engine.subscriptions import GroupSubscriptions
from rest_channels.exceptions import TooManySubscriptions


def test_a_membership_begins_with_its_first_subscriber_and_ends_with_its_last() -> None:
    subscriptions = GroupSubscriptions(10)
    assert subscriptions.add("room", "one") is True
    assert subscriptions.add("room", "two") is False
    assert subscriptions.discard("room", "one") is False
    assert "room" in subscriptions
    assert subscriptions.discard("room", "two") is True
    assert "room" not in subscriptions


def test_subscribing_twice_counts_once() -> None:
    subscriptions = GroupSubscriptions(1)
    assert subscriptions.add("room") is True
    assert subscriptions.add("room") is False
    assert len(subscriptions) == 1
    assert subscriptions.discard("room") is True
    assert subscriptions.discard("room") is False


def test_discarding_an_unknown_subscriber_changes_nothing() -> None:
    subscriptions = GroupSubscriptions(10)
    subscriptions.add("room", "one")
    assert subscriptions.discard("room", "two") is False
    assert subscriptions.discard("other", "one") is False
    assert subscriptions.subscribers_of("room") == {"one"}


def test_subscribing_beyond_the_limit_fails_until_a_subscription_ends() -> None:
    subscriptions = GroupSubscriptions(2)
    subscriptions.add("a")
    subscriptions.add("b", 1)
    for group, subscriber in (("c", None), ("b", 2)):
        with pytest.raises(TooManySubscriptions, match="at most 2"):
            subscriptions.add(group, subscriber)
    assert subscriptions.add("a") is False
    subscriptions.discard("b", 1)
    assert subscriptions.add("c") is True


def test_a_subscription_that_fails_is_not_recorded() -> None:
    subscriptions = GroupSubscriptions(0)
    with pytest.raises(TooManySubscriptions):
        subscriptions.add("a")
    assert (
        "a" in subscriptions,
        len(subscriptions),
        list(subscriptions),
        subscriptions.subscribers_of("a"),
    ) == (False, 0, [], set())


def test_clear_returns_every_group_once_and_resets_the_limit() -> None:
    subscriptions = GroupSubscriptions(3)
    for group, subscriber in (("a", 1), ("a", 2), ("b", 1)):
        subscriptions.add(group, subscriber)
    assert sorted(subscriptions.clear()) == ["a", "b"]
    assert subscriptions.clear() == []
    assert (len(subscriptions), list(subscriptions)) == (0, [])
    assert subscriptions.add("a", 1) is True


def test_groups_can_be_discarded_during_iteration() -> None:
    subscriptions = GroupSubscriptions(3)
    for group in "abc":
        subscriptions.add(group)
    for group in subscriptions:
        subscriptions.discard(group)
    assert len(subscriptions) == 0


class ComparisonWithPairs(RuleBasedStateMachine):
    """Compare the subscriptions with a bounded set of pairs of group and subscriber."""

    LIMIT = 5

    def __init__(self) -> None:
        super().__init__()
        self.subscriptions = GroupSubscriptions(self.LIMIT)
        self.pairs = set()

    groups = st.sampled_from(["a", "b", "c"])
    names = st.sampled_from([None, 1, "x", (1, 2)])

    def subscribed_groups(self):
        return {group for group, _subscriber in self.pairs}

    @rule(group=groups, subscriber=names)
    def add(self, group, subscriber) -> None:
        before = self.subscribed_groups()
        if (group, subscriber) not in self.pairs and len(self.pairs) == self.LIMIT:
            with pytest.raises(TooManySubscriptions):
                self.subscriptions.add(group, subscriber)
            return
        self.pairs.add((group, subscriber))
        assert self.subscriptions.add(group, subscriber) is (group not in before)

    @rule(group=groups, subscriber=names)
    def discard(self, group, subscriber) -> None:
        before = self.subscribed_groups()
        self.pairs.discard((group, subscriber))
        ended = group in before and group not in self.subscribed_groups()
        assert self.subscriptions.discard(group, subscriber) is ended

    @rule()
    def clear(self) -> None:
        assert set(self.subscriptions.clear()) == self.subscribed_groups()
        self.pairs.clear()

    @invariant()
    def both_contain_the_same(self) -> None:
        assert len(self.subscriptions) == len(self.pairs)
        assert set(self.subscriptions) == self.subscribed_groups()
        for group in "abc":
            assert (group in self.subscriptions) is (group in self.subscribed_groups())
            assert self.subscriptions.subscribers_of(group) == {
                a for g, a in self.pairs if g == group
            }


TestComparisonWithPairs = ComparisonWithPairs.TestCase
TestComparisonWithPairs.settings = settings(
    derandomize=True, database=None, deadline=None, max_examples=60, stateful_step_count=30
)
