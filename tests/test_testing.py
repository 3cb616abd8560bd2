"""`SocketCommunicator`: its methods, and its use in Django's test cases."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from rest_channels.concurrency.execution import shared_thread
from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import socket_route
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView

# Inside Django's test cases.


class Names(SocketRouteView):
    """Reads and writes users in every way a handler may."""

    @socket_route
    def list(self, request, data):
        return sorted(User.objects.values_list("username", flat=True))

    @socket_route
    async def alist(self, request, data):
        return sorted([user.username async for user in User.objects.all()])

    @socket_route
    async def threaded(self, request, data):
        return await database_sync_to_async(self.list)(request, data)

    @socket_route
    def create(self, request, data):
        User.objects.create(username=data)
        return self.list(request, data)

    @socket_route
    async def acreate(self, request, data):
        await User.objects.acreate(username=data)
        return await self.alist(request, data)

    @socket_route
    def commit(self, request, data):
        with transaction.atomic():
            transaction.on_commit(lambda: self.send_json("committed"))


READERS = ("list", "alist")


async def names(socket, method, data=None):
    return (await socket.expect_reply(await socket.call(method, data), status=200))["data"]


class UncommittedRowsTests(TestCase):
    """Handlers use the transaction of the test, which is rolled back after every test."""

    @classmethod
    def setUpTestData(cls):
        cls.ada = User.objects.create(username="ada")

    async def test_every_kind_of_handler_sees_the_tests_rows(self):
        await User.objects.acreate(username="ben")
        async with SocketCommunicator(Names.as_asgi(), user=self.ada) as socket:
            for method in READERS:
                assert await names(socket, method) == ["ada", "ben"]

    async def test_the_test_sees_rows_that_handlers_write(self):
        async with SocketCommunicator(Names.as_asgi()) as socket:
            assert await names(socket, "create", "eve") == ["ada", "eve"]
            assert await names(socket, "acreate", "joe") == ["ada", "eve", "joe"]
        assert await User.objects.acount() == 3

    async def test_a_test_sees_no_rows_of_another_test(self):
        async with SocketCommunicator(Names.as_asgi()) as socket:
            for method in READERS:
                assert await names(socket, method) == ["ada"]
        assert await User.objects.acount() == 1

    async def test_two_connections_and_the_test_share_the_transaction(self):
        app = Names.as_asgi()
        async with SocketCommunicator(app) as one, SocketCommunicator(app) as two:
            await names(one, "create", "eve")
            assert await names(two, "alist") == ["ada", "eve"]

    async def test_connect_and_disconnect_see_the_tests_rows_too(self):
        counts = []

        class CountUsers(SocketView):
            def connect(self, request):
                counts.append(User.objects.count())

            async def disconnect(self, request):
                counts.append(await User.objects.acount())

        async with SocketCommunicator(CountUsers.as_asgi()):
            await User.objects.acreate(username="ben")
        assert counts == [1, 2]

    def test_a_finished_test_changes_nothing_for_later_tests(self):
        async def list_names():
            async with SocketCommunicator(Names.as_asgi()) as socket:
                await names(socket, "list")

        async_to_sync(list_names)()  # as Django runs the tests above, with their context variables
        assert shared_thread.get() is False

    def test_async_tests_do_not_affect_a_sync_test_of_their_class(self):
        assert User.objects.get() == self.ada


class ChannelsHelperTests(TestCase):
    """`database_sync_to_async` closes old connections. It must not close the one of a test."""

    async def test_channels_database_sync_to_async_does_not_close_the_tests_connection(self):
        async with SocketCommunicator(Names.as_asgi()) as socket:
            assert await names(socket, "threaded") == []
            assert await names(socket, "list") == []
        assert await User.objects.acount() == 0


class CommittedRowsTests(TransactionTestCase):
    """Handlers run in their own threads, as in a server."""

    async def test_handlers_and_the_test_see_each_others_committed_rows(self):
        await User.objects.acreate(username="ada")
        async with SocketCommunicator(Names.as_asgi()) as socket:
            for method in (*READERS, "threaded"):
                assert await names(socket, method) == ["ada"]
            await names(socket, "create", "eve")
        assert await User.objects.acount() == 2

    async def test_a_test_sees_no_rows_of_another_test(self):
        async with SocketCommunicator(Names.as_asgi()) as socket:
            assert await names(socket, "list") == []

    async def test_commit_hooks_run_inside_the_transaction_of_a_test(self):
        async with SocketCommunicator(Names.as_asgi()) as socket:
            await socket.call("commit")
            await socket.expect_event("committed")


@pytest.mark.django_db(transaction=True)
async def test_handlers_have_their_own_database_connections_under_pytest() -> None:
    await User.objects.acreate(username="ada")
    async with SocketCommunicator(Names.as_asgi()) as socket:
        for method in (*READERS, "threaded"):
            assert await names(socket, method) == ["ada"]


# Methods. A failed expectation shows the received frame.


class SendAsRequested(SocketConsumer):
    """Sends the frames that a frame lists, closes or raises an error."""

    async def receive_json(self, content):
        for frame in content.get("send", ()):
            self.send_json(frame)
        if "close" in content:
            self.close(content["close"])
        if content.get("raise"):
            raise LookupError


def communicator(**options) -> SocketCommunicator:
    return SocketCommunicator(SendAsRequested.as_asgi(), timeout=0.05, **options)


async def test_expect_reply_finds_a_reply_by_its_id_and_keeps_other_frames() -> None:
    async with communicator() as socket:
        second = {"request_id": 2, "data": "b"}
        await socket.send_json({"send": ["event", second, {"request_id": 1, "data": "a"}]})
        assert (await socket.expect_reply(1, data="a"))["data"] == "a"
        assert await socket.expect_reply(2) == second
        assert await socket.expect_event() == "event"
        await socket.expect_nothing()


async def test_expect_event_finds_a_frame_without_an_id_and_compares_it_whole_or_in_part() -> None:
    async with communicator() as socket:
        await socket.send_json({"send": [{"request_id": 7}, {"a": 1, "b": 2}, [1], None]})
        await socket.expect_event(a=1)
        await socket.expect_event([1])
        await socket.expect_event(None)
        await socket.expect_reply(7)


async def test_a_failed_expectation_shows_the_wrong_reply_or_event() -> None:
    async with communicator() as socket:
        await socket.send_json({"send": [{"request_id": 1, "status": 404}, {"a": 1}, {"a": 2}]})
        with pytest.raises(AssertionError, match=r"Expected status=200, but got .*404"):
            await socket.expect_reply(1, status=200)
        with pytest.raises(AssertionError, match=r"Expected a=3, but got \{'a': 1\}"):
            await socket.expect_event(a=3)
        with pytest.raises(AssertionError, match=r"Expected 'x', but got \{'a': 2\}"):
            await socket.expect_event("x")


async def test_a_failed_expectation_of_fields_shows_an_event_that_is_not_an_object() -> None:
    async with communicator() as socket:
        await socket.send_json({"send": [[1, 2]]})
        with pytest.raises(AssertionError, match=r"a=1.*\[1, 2\]"):
            await socket.expect_event(a=1)


async def test_a_failed_expectation_names_the_expected_frame_and_shows_the_received_ones() -> None:
    async with communicator() as socket:
        await socket.send_json({"send": ["other"]})
        with pytest.raises(AssertionError, match=r"Expected a reply 5, .*\['other'\]"):
            await socket.expect_reply(5)
        await socket.expect_event("other")
        with pytest.raises(AssertionError, match="Expected an event, but nothing came"):
            await socket.expect_event()
        with pytest.raises(AssertionError, match="Expected a close, but nothing came"):
            await socket.expect_close()


async def test_expect_nothing_also_fails_for_frames_that_were_received_earlier() -> None:
    async with communicator() as socket:
        await socket.send_json({"send": ["one", {"request_id": 1}, "two"]})
        await socket.expect_reply(1)
        with pytest.raises(AssertionError, match=r"Expected nothing, but got \['one'\]"):
            await socket.expect_nothing()
        await socket.expect_event("one")
        with pytest.raises(AssertionError, match=r"Expected nothing, but got .*two"):
            await socket.expect_nothing()


async def test_expect_close_waits_for_the_close_and_compares_its_code() -> None:
    async with communicator() as socket:
        await socket.send_json({"send": ["last words"], "close": 4001})
        with pytest.raises(AssertionError, match="Expected close code 4000, but got 4001"):
            await socket.expect_close(4000)
    async with communicator() as socket:
        await socket.send_json({"close": 4001})
        assert await socket.expect_close() == 4001


async def test_a_failed_expectation_shows_a_close_that_came_instead_of_a_frame() -> None:
    async with communicator() as socket:
        await socket.send_json({"close": 4001})
        with pytest.raises(AssertionError, match=r"Expected an event, but got .*4001"):
            await socket.expect_event()
    async with communicator() as socket:
        await socket.send_json({"close": 4001})
        with pytest.raises(AssertionError, match=r"Expected a frame, but got .*4001"):
            await socket.receive_from()


async def test_a_refused_handshake_fails_the_block_with_its_code() -> None:
    class Refusing(SocketConsumer):
        async def connect(self):
            self.close(4009)

    socket = SocketCommunicator(Refusing.as_asgi())
    with pytest.raises(AssertionError, match="The handshake was refused with code 4009"):
        async with socket:
            pass
    await socket.disconnect()


async def test_expecting_a_frame_before_connecting_raises_an_error() -> None:
    with pytest.raises(AssertionError, match="Connect first"):
        await communicator().receive_json()


async def test_an_error_of_the_application_is_raised_in_the_test() -> None:
    async def broken(scope, receive, send):
        await receive()
        raise LookupError("at once")

    socket = SocketCommunicator(broken)
    with pytest.raises(LookupError, match="at once"):
        await socket.connect()
    with pytest.raises(LookupError, match="at once"):
        await socket.disconnect()


async def test_a_test_fails_if_the_application_does_not_end() -> None:
    async def endless(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    socket = SocketCommunicator(endless, timeout=0.05)
    await socket.connect()
    with pytest.raises(AssertionError, match="did not end after its client had left"):
        await socket.disconnect()


async def test_text_and_bytes_arrive_unchanged_even_if_they_are_empty() -> None:
    class Mirror(SocketConsumer):
        async def receive(self, text_data=None, bytes_data=None):
            self.send(text_data, bytes_data)

    async with SocketCommunicator(Mirror.as_asgi()) as socket:
        for frame in ("text", ""):
            await socket.send_to(frame)
            assert await socket.receive_from() == frame
        for frame in (b"bytes", b""):
            await socket.send_to(bytes_data=frame)
            assert await socket.receive_from() == frame


async def test_a_failed_expectation_shows_a_binary_frame_that_came_instead_of_an_event() -> None:
    class Binary(SocketConsumer):
        async def connect(self):
            self.send(bytes_data=b"\x01\x02")

    async with SocketCommunicator(Binary.as_asgi()) as socket:
        with pytest.raises(AssertionError, match=r"Expected an event, but got .*x01"):
            await socket.expect_event()


async def test_call_sends_a_numbered_frame_in_the_dialect() -> None:
    class Frames(SocketConsumer):
        async def receive_json(self, content):
            self.send_json([content])

    app = Frames.as_asgi()
    async with SocketCommunicator(app, dialect="action") as socket:
        assert await socket.call("list", page=2) == 1
        await socket.expect_event([{"action": "list", "request_id": 1, "page": 2}])
        assert await socket.call("get", None) == 2
        await socket.expect_event([{"action": "get", "request_id": 2, "data": None}])


async def test_the_scope_has_the_values_that_the_test_gives() -> None:
    class Scope(SocketConsumer):
        async def connect(self):
            self.accept(self.scope["subprotocols"][0])
            request = {key: str(self.scope[key]) for key in ("path", "query_string", "user")}
            self.send_json([request, self.scope["url_route"]["kwargs"]])

    socket = SocketCommunicator(
        Scope.as_asgi(),
        "/r%C3%A4um/?a=1",
        user=User(username="ada"),
        kwargs={"pk": 3},
        headers=[("X-Test", "1")],
        subprotocols=["v1"],
    )
    assert await socket.connect() == (True, "v1")
    request = {"path": "/räum/", "query_string": "b'a=1'", "user": "ada"}
    await socket.expect_event([request, {"pk": 3}])
    assert (b"x-test", b"1") in socket.scope["headers"]
    await socket.disconnect()
    await socket.disconnect()
