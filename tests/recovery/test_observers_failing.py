"""Changes that cannot be sent to clients that come back, and subscriptions that fail."""

import asyncio
import threading

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError

from rest_channels.decorators import action
from rest_channels.engine import kept_group
from rest_channels.engine.publish import current_hub
from rest_channels.history import History
from rest_channels.history.stores import current_store
from rest_channels.observer import model_observer
from rest_channels.observer.delivery import kept_changes
from tests.recovery.test_observers import ByLetter, Client, Groups, GroupSerializer, create

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_client_whose_rows_cannot_be_read_asks_again_later(monkeypatch):
    def fail(changes):
        raise DatabaseError("made up")

    async with Client(Groups) as client:
        tag, position = await client.follow()
    await create("a")
    monkeypatch.setattr(kept_changes, "read_rows", fail)
    async with Client(Groups) as client:
        await client.follow()
        assert await client.resume(tag, position) == ([], "later")
        monkeypatch.undo()
        frames, result = await client.resume(tag, position)
    assert (len(frames), result) == (1, "ok")


class Fragile(GroupSerializer):
    def to_representation(self, row):
        if row.name == "bad":
            raise ValueError("made up")
        return super().to_representation(row)


class FragileGroups(Groups):
    rows = model_observer(Group, serializer_class=Fragile, history=History(20))


class OwnFragile(Fragile):
    def to_representation(self, row):
        assert self.context["scope"]  # so each client has a rendering of its own
        return super().to_representation(row)


class OwnFragileGroups(Groups):
    rows = model_observer(Group, serializer_class=OwnFragile, history=History(20))


@pytest.mark.parametrize("consumer", [FragileGroups, OwnFragileGroups])
async def test_a_change_that_cannot_be_rendered_is_a_gap(consumer):
    async with Client(consumer) as client:
        tag, (epoch, offset) = await client.follow()
        await create("a")
        await client.change()
        await create("bad", "b")
        assert (await client.change())[0] == f"{tag}.{offset + 3}"
        frames, result = await client.resume(tag, [epoch, offset + 1])
    changes, [told] = frames[:-1], frames[-1:]
    assert [frame["$at"] for frame in changes] == [f"{tag}.{offset + 3}"]
    assert (told, result) == ({"$joined": {tag: [epoch, offset + 3]}}, "gap")


async def test_a_change_that_is_late_does_not_count_in_the_next_epoch(monkeypatch):
    reads, may_read = threading.Event(), threading.Event()

    class Slow(GroupSerializer):
        def to_representation(self, row):
            reads.set()
            may_read.wait(2)
            return super().to_representation(row)

    class SlowGroups(Groups):
        rows = model_observer(Group, serializer_class=Slow, history=History(20))

    monkeypatch.setattr(kept_group, "MERGE", 0.01)
    async with Client(SlowGroups) as client:
        tag, _position = await client.follow()
        await create("a")
        await asyncio.to_thread(reads.wait, 2)
        [group] = current_hub().recovery.groups.values()
        begun = await current_store().new_epoch(group.name, History(20))
        group.compare(begun)
        assert await client.receive_json() == {"$joined": {tag: [*begun]}}
        may_read.set()
        await client.expect_nothing()


async def test_a_client_may_ask_for_sixteen_subscriptions_at_once():
    async with Client(OwnFragileGroups) as client:
        known = dict([await client.follow(number) for number in range(16)])
    await create("a")
    async with Client(OwnFragileGroups) as client:
        for number in range(16):
            await client.follow(number)
        await client.send_json({"$resume": known})
        results = {}
        while len(results) < 16:
            results |= (await client.receive_json()).get("$resumed", {})
    assert set(results.values()) == {"ok", "later"}


async def test_what_became_of_a_row_that_has_left_the_group_is_not_sent():
    async with Client(ByLetter) as client:
        tag, position = await client.follow()
    row = await Group.objects.acreate(name="alder")
    for row.name in ("birch", "bamboo, a secret"):
        await row.asave()
    async with Client(ByLetter) as client:
        await client.follow()
        frames, _result = await client.resume(tag, position)
    assert [frame.get("data") for frame in frames] == [None, {"name": "birch"}]


class TwoGroups(Groups):
    rows = model_observer(Group, serializer_class=GroupSerializer, history=History(20))

    @rows.groups
    def rows(self, instance=None, **kwargs):
        yield from "ab" if instance is None else "a"

    @action()
    async def follow_often(self, request_id):
        for number in range(10):
            with pytest.raises(Exception, match="subscriptions"):
                await self.rows.subscribe(request_id=number)
        return len(self._connection.on_ended), 200


async def test_nothing_is_left_of_a_subscription_that_fails(settings):
    settings.REST_CHANNELS = {"MAX_SUBSCRIPTIONS": 1}
    async with Client(TwoGroups) as client:
        reply = await client.expect_reply(await client.call("follow_often"), status=200)
        assert reply["data"] == 0
        recovery = current_hub().recovery
        assert (recovery.groups, recovery._receivers) == ({}, {})


async def test_nothing_is_left_of_clients_that_have_gone():
    async with Client(Groups):  # so that the hub goes on
        async with Client(Groups) as client:
            await client.follow(1)
            await client.follow(2)
            recovery = current_hub().recovery
            assert len(recovery.groups) == len(recovery._receivers) == 1
        assert (recovery.groups, recovery._by_tag, recovery._receivers) == ({}, {}, {})


@pytest.mark.parametrize(
    "position", [["other", 1], ["", -1], ["", 10**18], ["", 1.5], ["", True], [1, "a"], None, {}]
)
async def test_what_no_client_has_is_no_position(position):
    async with Client(Groups) as client:
        tag, (epoch, offset) = await client.follow()
        await client.send_json({"$resume": {tag: position, "foreign1": [epoch, 0]}})
        await create("a")
        frames = [await client.receive_json()]
        while frames[-1].get("$at") != f"{tag}.{offset + 1}":
            frames.append(await client.receive_json())
    results = [frame["$resumed"] for frame in frames if "$resumed" in frame]
    assert all(each.get("foreign1") == "gap" for each in results)
