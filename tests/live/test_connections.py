"""Lists on each kind of connection, and clients that send too much or the wrong things."""

import asyncio

import pytest
from django.contrib.auth.models import User
from rest_framework.authentication import TokenAuthentication

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer, ModelConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.exceptions import CloseCode
from rest_channels.live.lane import LiveLane
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer import ObserverModelListMixin, live_query
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment, Tag

from .client import LiveList, client, subscribe
from .rows import CommentSerializer, TagSerializer
from .test_faults import assert_nothing_remains

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, ModelConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


class Desk(AsyncAPIConsumer):
    @live_query(serializer_class=TagSerializer)
    def starting(self, letter):
        return Tag.objects.filter(name__startswith=letter).order_by("name")

    @action()
    async def watch(self, request_id, letter="", have=None):
        found = await self.starting.subscribe(request_id=request_id, have=have, letter=letter)
        return found, 201

    @action()
    async def unwatch(self, request_id):
        await self.starting.unsubscribe(request_id=request_id)
        return None, 204


# A Multiplexer.


async def receive(socket, stream):
    frame = await socket.receive_json()
    assert frame["stream"] == stream, frame
    return frame["payload"]


async def test_each_stream_of_a_multiplexer_has_lists_of_its_own() -> None:
    application = Multiplexer(tags=Tags.as_asgi(), desk=Desk.as_asgi())
    async with SocketCommunicator(application) as socket:
        lists = {}
        for stream, name in (("tags", "subscribe_list"), ("desk", "watch")):
            payload = {"action": name, "request_id": 1}
            await socket.send_json({"stream": stream, "payload": payload})
            lists[stream] = LiveList(None, (await receive(socket, stream))["data"], 1)
        await Tag.objects.acreate(name="a")
        for _ in range(2):
            frame = await socket.receive_json()
            lists[frame["stream"]].apply(frame["payload"]["data"])
        assert [each.shown for each in lists.values()] == [["a"], ["a"]]
        payload = {"action": "unwatch", "request_id": 1}
        await socket.send_json({"stream": "desk", "payload": payload})
        assert (await receive(socket, "desk"))["response_status"] == 204
        await Tag.objects.all().adelete()
        lists["tags"].apply((await receive(socket, "tags"))["data"])
        assert lists["tags"].shown == []
        await socket.expect_nothing()
    assert_nothing_remains()


# Requests in fast alternation.


async def test_a_request_that_subscribes_and_unsubscribes_fast_ends_as_its_last_frame() -> None:
    async with client(Desk) as socket:
        for name in ["watch", "watch", "unwatch"] * 10:
            await socket.send_json({"action": name, "request_id": 7})
        statuses = [(await socket.receive_json())["response_status"] for _ in range(30)]
        assert statuses == [201, 201, 204] * 10
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()
        assert_nothing_remains()


async def test_the_last_of_many_subscriptions_of_one_request_counts() -> None:
    async with client(Desk) as socket:
        for letter in "abcabcabcb":
            await socket.send_json({"action": "watch", "request_id": 7, "letter": letter})
        replies = [await socket.receive_json() for _ in range(10)]
        rows = LiveList(socket, replies[-1]["data"], 7)
        await Tag.objects.acreate(name="a")
        await Tag.objects.acreate(name="b")
        await rows.until("b")
        await socket.expect_nothing()


async def test_writes_during_fast_alternation_are_not_told_to_a_request_that_has_ended() -> None:
    async with client(Desk) as socket:

        async def write():
            for number in range(30):
                await Tag.objects.acreate(name=f"a{number}")

        writing = asyncio.create_task(write())
        ended = 0
        for _ in range(40):
            await socket.send_json({"action": "watch", "request_id": 7, "letter": "a"})
            await socket.send_json({"action": "unwatch", "request_id": 7})
            await asyncio.sleep(0.005)
        await writing
        open_ = False
        while ended < 40:
            frame = await socket.receive_json()
            if frame["action"] == "diff":
                assert open_
            else:
                open_ = frame["action"] == "watch"
                ended += frame["action"] == "unwatch"
        await socket.expect_nothing()
        assert_nothing_remains()


# Too much, and the wrong things.


@pytest.mark.parametrize("have", [[], [1], "a", 1, True, {"a": 1}, [["1", "x"]]])
async def test_what_a_client_has_must_be_an_object_of_keys(have) -> None:
    async with client(Tags) as socket:
        call = await socket.call("subscribe_list", have=have)
        reply = await socket.expect_reply(call)
        assert reply["response_status"] in (201, 400)
        await subscribe(socket)


async def test_ten_thousand_keys_are_refused(settings) -> None:
    settings.REST_CHANNELS = {"MAX_FRAME_SIZE": 2**22}
    async with client(Tags) as socket:
        have = {str(number): "a1b2c3d4e5f6" for number in range(10_000)}
        await socket.expect_reply(await socket.call("subscribe_list", have=have), status=400)
        await subscribe(socket)


async def test_keys_of_others_say_nothing_of_their_rows() -> None:
    """The answer is the same for the key of a row that exists and of one that does not."""
    ada = await User.objects.acreate_user("ada")
    row = await Comment.objects.acreate(text="secret", user=ada)

    class Own(ObserverModelListMixin, GenericAsyncAPIConsumer):
        serializer_class = CommentSerializer

        def get_queryset(self, **kwargs):
            return Comment.objects.filter(user=None)

    async with client(Own) as socket:
        for key in (row.pk, row.pk + 1):
            call = await socket.call("subscribe_list", have={str(key): "00" * 6})
            reply = await socket.expect_reply(call, status=201)
            assert reply["data"] == {"leave": [key], "enter": [], "move": [], "change": []}


async def test_an_argument_of_a_megabyte_closes_the_connection() -> None:
    socket = client(Desk)
    await socket.connect()
    await socket.send_json({"action": "watch", "request_id": 1, "letter": "a" * 2**20})
    await socket.expect_close(CloseCode.MESSAGE_TOO_BIG)
    await socket.disconnect()
    assert_nothing_remains()


async def test_arguments_of_a_megabyte_are_refused_where_frames_may_be_larger(settings) -> None:
    settings.REST_CHANNELS = {"MAX_FRAME_SIZE": 2**22}
    async with client(Desk) as socket:
        call = await socket.call("watch", letter="a" * 2**20)
        await socket.expect_reply(call, status=400)
        calls = [await socket.call("watch", letter="a" * 20_000) for _ in range(5)]
        replies = [await socket.expect_reply(each) for each in calls]
        assert [each["response_status"] for each in replies] == [201, 201, 201, 400, 400]
        await socket.call("watch", request_id="b" * 10_000)
        assert (await socket.receive_json())["response_status"] == 400


async def test_a_thousand_lists_of_one_connection_are_refused_but_thirty_two() -> None:
    async with client(Desk) as socket:
        calls = [await socket.call("watch", letter=f"{number}") for number in range(1000)]
        replies = [await socket.expect_reply(call) for call in calls]
        assert [each["response_status"] for each in replies] == [201] * 32 + [400] * 968
        queries = current_hub().get_component(LiveLane)._queries
        [partition] = queries._partitions.values()
        assert len(partition.by_key) == 32
    assert_nothing_remains()


# Tokens.


class Token(TokenAuthentication):
    def authenticate_credentials(self, key):
        user = User.objects.get(username=key)
        return user, key


class OwnComments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = CommentSerializer
    authentication_classes = [Token]
    consumers = []

    def get_queryset(self, **kwargs):
        return Comment.objects.filter(user=self.scope["user"]).order_by("text")

    async def connect(self):
        self.consumers.append(self)
        await self.accept()


@pytest.mark.parametrize("suspends", [False, True])
async def test_a_token_of_another_user_changes_no_list(suspends) -> None:
    ada, ben = [await User.objects.acreate_user(name) for name in ("ada", "ben")]
    await Comment.objects.acreate(text="of ben", user=ben)
    OwnComments.consumers.clear()
    async with client(OwnComments, headers=[("authorization", "Token ada")]) as socket:
        comments = await subscribe(socket)
        if suspends:
            OwnComments.consumers[0]._connection.suspend()
            await Comment.objects.acreate(text="a", user=ada)
        call = await socket.call("authenticate", token="ben")
        await socket.expect_reply(call, status=403)
        await socket.expect_nothing()
        call = await socket.call("authenticate", token="ada")
        await socket.expect_reply(call, status=200)
        await Comment.objects.acreate(text="b", user=ada)
        await Comment.objects.acreate(text="c", user=ben)
        await comments.until(*(["a", "b"] if suspends else ["b"]))


async def test_a_subscription_while_the_token_has_expired_begins_with_the_new_one() -> None:
    ada = await User.objects.acreate_user("ada")
    await Comment.objects.acreate(text="a", user=ada)
    OwnComments.consumers.clear()
    async with client(OwnComments, headers=[("authorization", "Token ada")]) as socket:
        comments = await subscribe(socket)
        OwnComments.consumers[0]._connection.suspend()
        call = await socket.call("authenticate", token="ada")
        again = await socket.call("subscribe_list", have=comments.have)
        await socket.expect_reply(call, status=200)
        reply = await socket.expect_reply(again, status=201)
        assert not any(reply["data"].values())
        await Comment.objects.acreate(text="b", user=ada)
        for _ in range(2):
            await socket.expect_event(action="diff")
