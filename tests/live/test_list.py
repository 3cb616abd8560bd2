"""`subscribe_list`: the list of a client equals the queryset, after every commit."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction

from rest_channels.consumers import GenericAsyncAPIConsumer, ModelConsumer
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Comment, Tag

from .client import client, subscribe
from .rows import CommentSerializer, TagSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, ModelConsumer):
    queryset = Tag.objects.order_by("name", "pk")
    serializer_class = TagSerializer


async def make(*names):
    return [await Tag.objects.acreate(name=name) for name in names]


async def test_the_reply_has_the_rows_in_their_order_and_a_tag_of_each() -> None:
    b, a = await make("b", "a")
    async with client(Tags) as socket:
        call = await socket.call("subscribe_list")
        reply = await socket.expect_reply(call, status=201)
        rows, tags = reply["data"]["rows"], reply["data"]["tags"]
        assert reply["data"].keys() == {"rows", "tags"}
        assert rows == [{"id": a.pk, "name": "a"}, {"id": b.pk, "name": "b"}]
        assert len({*tags}) == 2
        assert all(len(bytes.fromhex(tag)) == 6 for tag in tags)


async def test_a_new_row_enters_after_the_row_before_it() -> None:
    a, _c = await make("a", "c")
    async with client(Tags) as socket:
        await subscribe(socket)
        (b,) = await make("b")
        frame = await socket.expect_event()
        ((after, row, tag),) = frame["data"].pop("enter")
        assert (after, row, len(tag)) == (a.pk, {"id": b.pk, "name": "b"}, 12)
        assert frame == {
            "action": "diff",
            "request_id": 1,
            "response_status": 200,
            "errors": [],
            "data": {"leave": [], "move": [], "change": []},
        }


async def test_a_deleted_row_leaves_and_a_changed_row_moves() -> None:
    a, b, _c, d = await make("a", "b", "c", "d")
    pk = a.pk
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        await a.adelete()
        assert await tags.next() == {"leave": [pk]}
        b.name = "z"
        await b.asave()
        found = await tags.next()
        assert found["move"] == [[d.pk, b.pk]]
        assert [row for row, _tag in found["change"]] == [{"id": b.pk, "name": "z"}]
        assert tags.shown == ["c", "d", "z"]


async def test_a_commit_of_many_rows_is_one_frame() -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)

        def write():
            with transaction.atomic():
                for name in "edcba":
                    Tag.objects.create(name=name)

        await sync_to_async(write)()
        await tags.next()
        assert tags.shown == ["a", "b", "c", "d", "e"]
        await socket.expect_nothing()


async def test_what_was_rolled_back_is_never_told() -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)

        def write():
            with transaction.atomic():
                Tag.objects.create(name="kept")
                try:
                    with transaction.atomic():
                        Tag.objects.create(name="dropped")
                        raise LookupError
                except LookupError:
                    pass

        await sync_to_async(write)()
        await tags.next()
        assert tags.shown == ["kept"]


async def test_a_save_that_changes_nothing_is_not_told() -> None:
    (a,) = await make("a")
    async with client(Tags) as socket:
        await subscribe(socket)
        await a.asave()
        await socket.expect_nothing()


class Window(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name", "pk")
    serializer_class = TagSerializer
    live_limit = 2


async def test_a_window_shows_the_row_that_comes_after_one_that_left() -> None:
    a, _b, _c = await make("a", "b", "c")
    async with client(Window) as socket:
        tags = await subscribe(socket)
        assert tags.shown == ["a", "b"]
        await a.adelete()
        await tags.until("b", "c")


async def test_a_client_that_unsubscribed_is_told_nothing() -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        call = await socket.call("unsubscribe_list", request_id=tags.request_id)
        await socket.expect_reply(call, status=204)
        await make("a")
        await socket.expect_nothing()


async def test_a_client_that_comes_back_gets_only_what_differs() -> None:
    a, b, c = await make("a", "b", "c")
    pk = b.pk
    async with client(Tags) as socket:
        tags = await subscribe(socket)
    await b.adelete()
    a.name = "z"
    await a.asave()
    (d,) = await make("d")
    async with client(Tags) as socket:
        call = await socket.call("subscribe_list", have=tags.have)
        reply = await socket.expect_reply(call, status=201)
        assert reply["data"]["leave"] == [pk]
        assert [row["id"] for _after, row, _tag in reply["data"]["enter"]] == [d.pk]
        tags.apply(reply["data"])
        assert tags.shown == ["c", "d", "z"]
        assert tags.order == [c.pk, d.pk, a.pk]


class OwnComments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.order_by("pk")
    serializer_class = CommentSerializer

    def get_queryset(self, **kwargs):
        return super().get_queryset(**kwargs).filter(user=self.scope["user"])


async def test_each_user_sees_only_the_rows_of_its_own_queryset() -> None:
    ada, bob = [await User.objects.acreate_user(name) for name in ("ada", "bob")]
    async with client(OwnComments, user=ada) as first, client(OwnComments, user=bob) as second:
        own, other = await subscribe(first), await subscribe(second)
        comment = await Comment.objects.acreate(text="a", user=ada)
        await own.until("a")
        comment.user = bob
        await comment.asave()
        await own.until()
        await other.until("a")
