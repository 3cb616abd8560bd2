"""The comparison of a hub's groups with the store: which groups, and how many at once."""

import pytest

from rest_channels.engine import recovery
from rest_channels.engine.recovery import Recovery
from rest_channels.history import History
from rest_channels.history.stores.memory import MemoryStore

pytestmark = pytest.mark.asyncio


class Member:
    overrides_sending = False

    def deliver(self, event) -> None:
        """Ignore it."""


@pytest.fixture
async def hub(monkeypatch):
    store = MemoryStore()
    hub = Recovery(start_task, lambda group: (), lambda event, members: None, lambda: store)
    monkeypatch.setattr(recovery, "COMPARE_AT_ONCE", 2)
    monkeypatch.setattr(recovery, "LATELY", -1.0)  # no group has had messages lately
    yield hub
    await hub.stop()


def start_task(work):
    return recovery.asyncio.get_running_loop().create_task(work)


async def test_a_few_groups_are_all_compared_each_time(hub):
    for name in ("a", "b"):
        hub.join(name, Member(), History(), None)
    assert hub._due(0) == hub._due(1) == ["a", "b"]


async def test_of_many_groups_each_has_its_turn(hub):
    for name in "abcdef":
        hub.join(name, Member(), History(), None)
    turns = [hub._due(turn) for turn in range(3)]
    assert max(map(len, turns)) == 2
    assert sorted(turns[0] + turns[1] + turns[2]) == list("abcdef")


async def test_a_group_that_had_a_message_lately_is_compared_each_time(hub, monkeypatch):
    for name in "abcdef":
        hub.join(name, Member(), History(), None)
    monkeypatch.setattr(recovery, "LATELY", 10.0)
    for name in "bcdef":
        hub.groups[name].heard_at -= 60
    assert all("a" in hub._due(turn) for turn in range(3))
