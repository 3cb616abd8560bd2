"""Lists that have a written row are read in the call that looks for other lists."""

import pytest
from django.db import OperationalError
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from rest_channels.cluster.counts import counts
from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.live import schedule
from rest_channels.live.calls import Calls
from rest_channels.live.grouped_readings import MIN_QUERIES
from rest_channels.live.lane import LiveLane
from rest_channels.live.row_index import RowIndex
from rest_channels.live.shared_query import SharedQuery
from rest_channels.live.writes import LIVE_GROUP
from rest_channels.observer import ObserverModelListMixin, live_query
from tests.observer.models import Tag

from .client import client, subscribe
from .rows import TagSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = TagSerializer

    def get_queryset(self, *, without="", **kwargs):
        return Tag.objects.exclude(name=without)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """No list is slow because the machine is busy."""
    monkeypatch.setattr(schedule, "SLOW_TIME", 60)


@pytest.fixture
def calls(monkeypatch):
    """The functions that calls in threads were started with."""
    found, start = [], Calls.start

    def note(self, kind, function, *args, then):
        found.append(function.__name__)
        return start(self, kind, function, *args, then=then)

    monkeypatch.setattr(Calls, "start", note)
    return found


@pytest.fixture
async def tag():
    return await Tag.objects.acreate(name="a")


async def rename(tag, name):
    tag.name = name
    await tag.asave()


async def test_a_list_that_has_the_written_row_is_read_with_the_row(calls, tag) -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        calls.clear()
        await rename(tag, "b")
        await tags.until("b")
        assert calls == ["_look_up"]


async def test_such_a_reading_is_known_to_be_of_a_written_row(tag) -> None:
    async with client(Tags) as socket:
        tags, mended = await subscribe(socket), counts.mended
        await rename(tag, "b")
        await tags.until("b")
        assert counts.mended == mended


async def test_other_lists_that_may_have_the_row_now_are_read_afterwards(calls, tag) -> None:
    async with client(Tags) as socket:
        every, others = await subscribe(socket), await subscribe(socket, without="a")
        calls.clear()
        await rename(tag, "b")
        await every.until("b")
        await others.until("b")
        assert calls == ["_look_up", "make_readings"]


async def test_a_slow_list_that_has_the_row_is_read_in_a_call_of_its_own(calls, tag) -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        lane = current_hub().get_component(LiveLane)
        for query in lane._queries.of_groups([LIVE_GROUP]):
            query.seconds = 61
        calls.clear()
        await rename(tag, "b")
        await tags.until("b")
        assert calls == ["_look_up", "make_readings"]


async def test_many_lists_that_have_the_row_are_read_together_afterwards(calls, tag) -> None:
    async with client(Tags) as socket:
        for number in range(MIN_QUERIES):
            await subscribe(socket, without=str(number))
        calls.clear()
        await tag.adelete()
        for _ in range(MIN_QUERIES):
            await socket.expect_event(action="diff")
        assert calls == ["_look_up", "make_readings"]


async def test_a_list_is_read_with_the_row_even_if_the_row_cannot_be_read(monkeypatch, tag) -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        monkeypatch.setattr(RowIndex, "read", failing(OperationalError))
        await rename(tag, "b")
        await tags.until("b")


async def test_a_list_that_cannot_be_read_with_the_row_is_read_later(monkeypatch, tag) -> None:
    monkeypatch.setattr("rest_channels.live.lane.RETRY_TIME", 0.05)
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        with monkeypatch.context() as patch:
            patch.setattr(SharedQuery, "read", failing(OperationalError))
            await rename(tag, "b")
            await socket.expect_nothing(0.1)
        await tags.until("b")


async def test_lists_are_read_later_if_the_call_fails(monkeypatch, tag) -> None:
    monkeypatch.setattr("rest_channels.live.lane.RETRY_TIME", 0.05)
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        with monkeypatch.context() as patch:
            patch.setattr(RowIndex, "read", failing(RuntimeError))
            await rename(tag, "b")
            await tags.until("b")


# The rows that such a list returns are not read once more.


class ChangingSerializer(TagSerializer):
    """Changes the rows that it renders."""

    def to_representation(self, instance):
        instance.name = "changed"
        return super().to_representation(instance)


class Masked(QuerySet):
    def _fetch_all(self):
        super()._fetch_all()
        for row in self._result_cache:
            row.name = "masked"


class MaskedWhenIterated(QuerySet):
    def __iter__(self):
        for row in super().__iter__():
            row.name = "masked"
            yield row


class MaskedRows(ModelIterable):
    def __iter__(self):
        for row in super().__iter__():
            row.name = "masked"
            yield row


class Two(GenericAsyncAPIConsumer):
    """A list of all rows, of the kind that is asked for, and one of those with a name."""

    @live_query(serializer_class=TagSerializer)
    def every(self, kind=""):
        kinds = {"masked": Masked(Tag), "masked when iterated": MaskedWhenIterated(Tag)}
        rows = kinds.get(kind, Tag.objects.all())
        if kind == "rows are masked":
            rows._iterable_class = MaskedRows
        return {"only": rows.only("id"), "defer": rows.defer("name")}.get(kind, rows)

    @live_query(serializer_class=ChangingSerializer)
    def changed(self):
        return Tag.objects.all()

    @live_query(serializer_class=TagSerializer)
    def named(self, wanted):
        return Tag.objects.filter(name=wanted)

    @action()
    async def watch(self, request_id, kind):
        if kind == "changed by its serializer":
            return await self.changed.subscribe(request_id=request_id), 201
        return await self.every.subscribe(request_id=request_id, kind=kind), 201

    @action()
    async def watch_named(self, request_id, wanted):
        return await self.named.subscribe(request_id=request_id, wanted=wanted), 201


KINDS = ["", "only", "defer", "masked", "masked when iterated", "rows are masked"]
KINDS += ["changed by its serializer"]


@pytest.mark.parametrize("kind", KINDS)
async def test_other_lists_are_found_by_what_the_row_is_in_the_database(kind, tag) -> None:
    async with client(Two) as socket, client(Two) as other:
        await subscribe(socket, action="watch", kind=kind)
        named = await subscribe(other, action="watch_named", wanted="b")
        await rename(tag, "b")
        await named.until("b")


async def test_a_list_that_the_row_leaves_does_not_tell_which_lists_it_is_in_now(tag) -> None:
    async with client(Two) as socket:
        before = await subscribe(socket, action="watch_named", wanted="a")
        after = await subscribe(socket, action="watch_named", wanted="b")
        await rename(tag, "b")
        await before.until()
        await after.until("b")


@pytest.mark.parametrize(("kind", "number"), [("", 1), ("only", 3)])
async def test_a_row_that_a_list_returns_whole_is_read_once(kind, number, queries, tag) -> None:
    async with client(Two) as socket:
        every = await subscribe(socket, action="watch", kind=kind)
        await tag.asave()
        await socket.expect_nothing()
        queries.clear()
        await rename(tag, "b")
        await every.next()
        assert len([sql for sql in queries if sql.startswith("SELECT")]) == number


def failing(error):
    def fail(*args):
        raise error

    return fail
