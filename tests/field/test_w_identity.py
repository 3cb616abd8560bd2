"""A signalled change of the user holds for messages of groups too, also for those sent again."""

import asyncio
import threading
from typing import ClassVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.engine import held_messages, revocation_index
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import recheck_users
from rest_channels.exceptions import CloseCode
from rest_channels.groups import Group
from rest_channels.history import History
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 1.0
"""Seconds within which a deactivated user is disconnected."""


class Board(SocketView):
    histories = {"board-*": History(size=100)}

    def connect(self, request):
        self.join("board-1")
        self.join("plain")

    def receive(self, request):
        if request.data == "save":
            request.user.save()
            self.send_json("own")
        self.send_json("reply")


class Full(SocketView):
    """Sends more than there is room for, while its user is read again."""

    def connect(self, request):
        self.join("plain")

    async def receive(self, request):
        await request.user.asave()
        await Group("plain").asend({"text": '"%s"' % ("m" * 800)})
        await self.send_json("o" * 400)


class Flood(SocketView):
    """Sends a lot more, and waits each time until there is room."""

    sent: ClassVar[int]

    def connect(self, request):
        self.join("plain")

    async def receive(self, request):
        await request.user.asave()
        await Group("plain").asend({"text": '"message"'})
        for number in range(10):
            Flood.sent = number
            await self.send_json(f"{number}{'x' * 400}")


class Chat(AsyncAPIConsumer):
    groups = ["plain"]

    @action()
    async def post(self, **kwargs):
        await self.scope["user"].asave()
        await Group("plain").asend({"text": '"posted"'})
        return "reply", 200


class Kicking(SocketView):
    """Closes its client with a message, and does not return before the event is set."""

    returns: ClassVar[threading.Event]

    def connect(self, request):
        self.join("plain")

    def receive(self, request):
        request.user.save()
        Group("plain").send({"text": '"kicked"', "close": 4001})
        self.returns.wait(5)
        Group("plain").send({"close": 4002})


class Slow(SocketConsumer):
    groups = ["plain"]

    async def connect(self):
        await self.accept()
        recheck(self.scope["user"])
        await Group("plain").asend({"text": '"early"'})


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@pytest.fixture
def checking(monkeypatch):
    """Let no check of an identity begin before the event is set."""
    released, check = asyncio.Event(), revocation_index.run_check

    async def wait_and_check(*args):
        await released.wait()
        await check(*args)

    monkeypatch.setattr(revocation_index, "run_check", wait_and_check)
    return released


def connected(user, view=Board, **options):
    return SocketCommunicator(view.as_asgi(), user=user, **options)


async def deactivate(user):
    row = await User.objects.aget(pk=user.pk)
    row.is_active = False
    await row.asave()


def recheck(user):
    """Do what the signal of a saved user does."""
    recheck_users(current_hub(), [str(user.pk)])


def forget_recent(tag):
    """Let the messages of a group be read from the store."""
    group = current_hub().recovery._by_tag[tag]
    group._order.reset(group._order.position)


async def frames_until_close(socket):
    """Return the frames that a client receives before it is closed with 4442."""
    frames = []
    while (message := await socket._next("a close"))["type"] != "websocket.close":
        frames.append(message["text"])
    assert message["code"] == CloseCode.USER_INACTIVE
    return frames


async def positions(socket):
    [(tag, position)] = (await socket.receive_json())["$joined"].items()
    return tag, position


async def keep_messages(count):
    for number in range(count):
        await Group("board-1").asend({"text": f'"kept {number}"'})


@pytest.mark.parametrize("at_hand", [True, False])
async def test_a_client_whose_user_is_deactivated_is_sent_no_message_again(ada, at_hand):
    async with connected(ada, recovery=True) as socket:
        tag, position = await positions(socket)
        await keep_messages(3)
        if not at_hand:
            forget_recent(tag)
        for _ in range(3):
            await socket.receive_json()
        await deactivate(ada)
        await socket.send_json({"$resume": {tag: position}})
        assert await frames_until_close(socket) == []


async def test_a_page_that_was_asked_for_before_the_change_waits_for_the_check(ada, checking):
    async with connected(ada, recovery=True) as socket:
        tag, position = await positions(socket)
        await keep_messages(2)
        for _ in range(2):
            await socket.receive_json()
        forget_recent(tag)
        await User.objects.aupdate(is_active=False)
        await socket.send_json({"$resume": {tag: position}})
        recheck(ada)
        await socket.expect_nothing()
        checking.set()
        assert await frames_until_close(socket) == []


async def test_a_client_that_stays_receives_what_it_asked_for_in_order(ada, checking):
    async with connected(ada, recovery=True) as socket:
        tag, position = await positions(socket)
        await keep_messages(2)
        for _ in range(2):
            await socket.receive_json()
        recheck(ada)
        await socket.send_json({"$resume": {tag: position}})
        await socket.expect_nothing()
        await Group("plain").asend({"text": '"later"'})
        await socket.send_json("frame")
        await socket.expect_nothing()
        checking.set()
        received = [await socket.receive_json() for _ in range(5)]
        assert [each.get("$data") for each in received[:2]] == ["kept 0", "kept 1"]
        assert received[2:] == [{"$resumed": {tag: "ok"}}, "later", "reply"]


@pytest.mark.parametrize("view", [Board, Chat])
async def test_a_message_after_the_deactivation_reaches_no_client(ada, view):
    async with connected(ada, view) as socket:
        await Group("plain").asend({"text": '"before"'})
        await deactivate(ada)
        async with asyncio.timeout(LIMIT):
            await Group("plain").asend({"text": '"after"'})
            assert await frames_until_close(socket) == ['"before"']


@pytest.mark.parametrize("view", [Board, Chat])
async def test_a_thread_that_deactivates_a_user_and_sends_a_message(ada, view):
    def change():
        ada.is_active = False
        ada.save()
        Group("plain").send({"text": '"after"'})

    async with connected(ada, view) as socket:
        await sync_to_async(change)()
        async with asyncio.timeout(LIMIT):
            assert await frames_until_close(socket) == []


async def test_messages_wait_only_for_checks_that_were_asked_for_before(ada, monkeypatch):
    """A client whose user is saved again and again still receives messages."""
    check, began = revocation_index.run_check, []

    async def ask_again_and_check(*args):
        began.append(1)
        await Group("plain").asend({"text": f"{len(began)}"})
        if len(began) < 10:
            recheck(ada)
        await check(*args)

    async with connected(ada) as socket:
        monkeypatch.setattr(revocation_index, "run_check", ask_again_and_check)
        recheck(ada)
        received = {await socket.receive_json(): len(began) for _ in range(10)}
    assert [*received] == [*range(1, 11)]
    assert all(number <= begun <= number + 1 for number, begun in received.items())


async def test_a_connection_that_receives_too_much_meanwhile_is_closed(ada, checking, settings):
    settings.REST_CHANNELS = {"OUTBOX_BYTES": 1000}
    async with connected(ada) as socket:
        recheck(ada)
        for _ in range(11):
            await Group("plain").asend({"text": f'"{"x" * 98}"'})
        assert await socket.expect_close() == CloseCode.TOO_SLOW


async def test_a_frame_without_room_comes_after_those_that_wait(ada, checking, settings):
    settings.REST_CHANNELS = {"OUTBOX_BYTES": 1000}
    async with connected(ada, Full) as socket:
        await socket.send_json("frame")
        await socket.expect_nothing()
        checking.set()
        assert [(await socket.receive_json())[0] for _ in range(2)] == ["m", "o"]


async def test_a_handler_that_awaits_what_it_sends_waits_for_the_check(
    ada, checking, settings, monkeypatch
):
    monkeypatch.setattr(held_messages, "CHECK_TIME", 60)
    settings.REST_CHANNELS = {"OUTBOX_BYTES": 1000}
    async with connected(ada, Flood) as socket:
        await socket.send_json("frame")
        await socket.expect_nothing()
        assert Flood.sent == 2
        checking.set()
        received = [(await socket.receive_json())[0] for _ in range(11)]
        assert received == ["m", *"0123456789"]


async def test_a_handler_waits_for_a_hanging_check_for_a_while_only(
    ada, checking, settings, monkeypatch
):
    monkeypatch.setattr(held_messages, "CHECK_TIME", 0.05)
    settings.REST_CHANNELS = {"OUTBOX_BYTES": 1000}
    async with connected(ada, Full) as socket:
        await socket.send_json("frame")
        await socket.expect_nothing(0.2)
        checking.set()
        assert [(await socket.receive_json())[0] for _ in range(2)] == ["m", "o"]


async def test_a_frame_that_causes_a_check_is_answered_before_its_messages(ada, checking):
    async with connected(ada, Chat) as socket:
        await socket.send_json({"action": "post", "request_id": 1})
        assert (await socket.receive_json())["data"] == "reply"
        await socket.expect_nothing()
        checking.set()
        assert await socket.receive_json() == "posted"


async def test_messages_are_released_after_the_reply_and_after_the_check(ada):
    async with connected(ada, Chat) as socket:
        for number in range(5):
            await socket.send_json({"action": "post", "request_id": number})
        received = [await socket.receive_json() for _ in range(10)]
        replies = [each["request_id"] for each in received if each != "posted"]
        assert replies == list(range(5))
        assert "posted" not in received[:1]


async def test_what_a_view_sends_itself_does_not_wait(ada, checking):
    async with connected(ada) as socket:
        await socket.send_json("save")
        assert await socket.receive_json() == "own"


async def test_messages_of_a_check_during_connect_are_sent_when_it_has_ended(ada, checking):
    async with connected(ada, Slow) as socket:
        await socket.expect_nothing()
        checking.set()
        assert await socket.receive_json() == "early"


async def test_nothing_is_held_when_the_check_has_ended(ada):
    async with connected(ada) as socket:
        recheck(ada)
        await Group("plain").asend({"text": '"after"'})
        await socket.expect_event("after")
        [member] = current_hub().members.values()
        assert member.identity_check is None
        assert member.held is None
        assert not member.needs_queue
        assert not member.outbox.size


@pytest.mark.parametrize("closing", [{"text": '"kicked"', "close": 4000}, {"close": 4000}])
async def test_a_message_that_closes_comes_after_those_before_it(ada, checking, closing):
    async with connected(ada) as socket:
        recheck(ada)
        await Group("plain").asend({"text": '"before"'})
        await Group("plain").asend(closing)
        await Group("plain").asend({"text": '"too late"'})
        await socket.expect_nothing()
        checking.set()
        assert await socket.receive_json() == "before"
        if "text" in closing:
            assert await socket.receive_json() == "kicked"
        assert (await socket._next("a close"))["code"] == 4000


async def test_a_message_that_closes_does_not_wait_for_later_checks(ada, monkeypatch):
    check, began = revocation_index.run_check, []

    async def ask_again_and_check(*args):
        began.append(1)
        if len(began) == 3:
            await Group("plain").asend({"close": 4000})
        if len(began) < 20:
            recheck(ada)
        await check(*args)

    async with connected(ada) as socket:
        monkeypatch.setattr(revocation_index, "run_check", ask_again_and_check)
        recheck(ada)
        assert await socket.expect_close() == 4000
        assert len(began) < 6


async def test_a_user_who_is_deactivated_learns_that_and_not_another_reason(ada):
    async with connected(ada) as socket:
        await deactivate(ada)
        await Group("plain").asend({"text": '"kicked"', "close": 4000})
        assert await frames_until_close(socket) == []


async def test_a_message_that_closes_does_not_wait_for_the_call_that_sends_it(ada, checking):
    Kicking.returns = threading.Event()
    async with connected(ada, Kicking) as socket:
        await socket.send_json("kick")
        await socket.expect_nothing()
        checking.set()
        assert await socket.receive_json() == "kicked"
        assert (await socket._next("a close"))["code"] == 4001
        Kicking.returns.set()


class Gaps(SocketConsumer):
    """Tells its client which groups have missed messages."""

    groups: ClassVar[list[str]] = ["plain"]

    async def gap(self, groups):
        await self.send_json(sorted(groups))


async def test_a_message_that_waits_for_a_check_is_missed_once_the_token_has_expired(
    checking, ada
) -> None:
    application = Gaps()
    async with SocketCommunicator(application, user=ada) as socket:
        connection = application._connection
        recheck(ada)
        await Group("plain").asend({"text": '"held"'})
        connection.suspend()
        checking.set()
        await socket.expect_nothing(0.2)
        assert connection.outbox.size == 0
        connection.resume()
        await socket.expect_event(sorted(["plain", connection.address]))
