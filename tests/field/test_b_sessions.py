"""A session that a connection has not changed has what other requests have saved."""

from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client, override_settings
from django.urls import path

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class Cart(SocketConsumer):
    """Sends its session's data without a query. A frame may set a value, and save."""

    groups = ["carts"]

    async def receive_json(self, content):
        session = self.scope["session"]
        session.update(content.get("set", {}))
        if content.get("save"):
            await session.asave()
        self.send_json(dict(session.items()))

    async def cart_changed(self, event):
        self.send_json(dict(self.scope["session"].items()))


class CartView(SocketView):
    async def receive(self, request):
        self.send_json(dict(request.session.items()))


class CartActions(AsyncAPIConsumer):
    @action()
    async def show(self):
        self.send_json(dict(self.scope["session"].items()))


def stored(**data):
    session = store()
    session.update(data)
    session.create()
    return session.session_key


def store(key=None):
    from django.conf import settings

    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def change(key, **data):
    """Change a session as a page does."""
    session = store(key)
    session.update(data)
    session.save()


@pytest.mark.parametrize(
    ("view", "frame"), [(Cart, {}), (CartView, {}), (CartActions, {"action": "show"})]
)
async def test_a_change_by_a_page_is_there_at_the_next_frame_without_a_query(
    view, frame, queries
) -> None:
    key = await sync_to_async(stored)(cart=[1])
    async with SocketCommunicator(view.as_asgi(), session=store(key)) as socket:
        await socket.send_json(frame)
        await socket.expect_event({"cart": [1]})
        await sync_to_async(change)(key, cart=[1, 2])
        await socket.send_json(frame)
        await socket.expect_event({"cart": [1, 2]})
        queries.clear()
        for _ in range(100):
            await socket.send_json(frame)
            await socket.expect_event({"cart": [1, 2]})
        assert queries == []


async def test_saving_another_key_does_not_write_an_old_value_back() -> None:
    key = await sync_to_async(stored)(cart=[1])
    async with SocketCommunicator(Cart.as_asgi(), session=store(key)) as socket:
        for number in range(2, 5):
            await sync_to_async(change)(key, cart=[number])
            await socket.send_json({"set": {"seen": number}, "save": True})
            await socket.expect_event({"cart": [number], "seen": number})
            assert (await sync_to_async(store(key).load)()) == {"cart": [number], "seen": number}


async def test_a_change_that_is_not_saved_yet_is_kept() -> None:
    key = await sync_to_async(stored)(cart=[1])
    async with SocketCommunicator(Cart.as_asgi(), session=store(key)) as socket:
        await socket.send_json({"set": {"seen": 1}})
        await socket.expect_event({"cart": [1], "seen": 1})
        await sync_to_async(change)(key, cart=[2])
        await check_accounts(current_hub())
        await socket.send_json({"save": True})
        await socket.expect_event({"cart": [2], "seen": 1})


async def test_an_event_of_a_group_reads_the_session_as_it_is_now() -> None:
    key = await sync_to_async(stored)(cart=[1])

    class Sending(Cart):
        async def receive_json(self, content):
            await sync_to_async(change)(key, cart=[2])
            await self.channel_layer.group_send("carts", {"type": "cart.changed"})

    async with SocketCommunicator(Sending.as_asgi(), session=store(key)) as socket:
        await socket.send_json({})
        await socket.expect_event({"cart": [2]})


async def test_a_change_without_a_signal_is_there_after_a_heartbeat() -> None:
    key = await sync_to_async(stored)(cart=[1])
    await sync_to_async(change)(other := await sync_to_async(stored)(), cart=[2])
    other = await Session.objects.aget(pk=other)
    async with SocketCommunicator(Cart.as_asgi(), session=store(key)) as socket:
        await check_accounts(current_hub())
        values = {"session_data": other.session_data, "expire_date": other.expire_date}
        await Session.objects.filter(pk=key).aupdate(**values)
        await check_accounts(current_hub())
        await socket.send_json({})
        await socket.expect_event({"cart": [2]})


@pytest.mark.parametrize("engine", ["cache", "cached_db", "db", "file"])
async def test_every_engine_with_a_store_is_read_again_by_the_heartbeat(engine, tmp_path) -> None:
    name = f"django.contrib.sessions.backends.{engine}"
    with override_settings(SESSION_ENGINE=name, SESSION_FILE_PATH=str(tmp_path)):
        key = await sync_to_async(stored)(cart=[1])
        async with SocketCommunicator(Cart.as_asgi(), session=store(key)) as socket:
            await sync_to_async(change)(key, cart=[2])
            await check_accounts(current_hub())
            await socket.send_json({"set": {"seen": True}, "save": True})
            await socket.expect_event({"cart": [2], "seen": True})
            await check_accounts(current_hub())
            await sync_to_async(change)(key, cart=[3])
            await check_accounts(current_hub())
            await socket.send_json({})
            await socket.expect_event({"cart": [3], "seen": True})
            await sync_to_async(store(key).delete)()
            await check_accounts(current_hub())
            await socket.expect_close(4440)


async def test_a_def_handler_that_runs_keeps_the_data_it_has_begun_with(settle) -> None:
    key = await sync_to_async(stored)(cart=[1])
    seen = []

    class Slow(SocketConsumer):
        def receive_json(self, content):
            session = self.scope["session"]
            change(key, cart=[2])
            self.send_json("changed")
            session["mine"] = 1  # in the data that was read before
            seen.append(session["cart"])

    async with SocketCommunicator(Slow.as_asgi(), session=store(key)) as socket:
        await socket.send_json({})
        await socket.expect_event("changed")
        await settle(lambda: seen)
    assert seen == [[1]]


class WhoAmI(SocketView):
    async def receive(self, request):
        user, session = request.user, request.session
        self.send_json([user.username, session is not None and dict(session.items()).get("cart")])


application = SocketApplication([path("", WhoAmI.as_asgi())])

ENGINES = ["cache", "cached_db", "db", "file", "signed_cookies"]


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_session_engine_logs_its_user_in(engine, tmp_path, settings) -> None:
    name = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_ENGINE, settings.SESSION_FILE_PATH = name, str(tmp_path)
    await sync_to_async(User.objects.create_user)("ada")

    def log_in():
        client = Client()
        client.force_login(User.objects.get())
        session = client.session
        session["cart"] = [1]
        session.save()
        return session.session_key

    cookie = ("cookie", f"sessionid={await sync_to_async(log_in)()}")
    async with SocketCommunicator(application, headers=[cookie]) as socket:
        await socket.send_json(None)
        await socket.expect_event(["ada", [1]])


async def test_a_socket_of_a_session_that_ended_during_the_handshake_is_closed() -> None:
    key = await sync_to_async(stored)(cart=[1])
    await Session.objects.all().adelete()
    async with SocketCommunicator(Cart.as_asgi(), session=store(key)) as socket:
        await check_accounts(current_hub())
        await socket.expect_close(4440)


async def test_a_session_that_is_saved_without_a_change_is_not_sent_twice() -> None:
    session = SessionStore(await sync_to_async(stored)(cart=[1]))
    async with SocketCommunicator(Cart.as_asgi(), session=session) as socket:
        await socket.send_json({"set": {"seen": 1}, "save": True})
        await socket.expect_event({"cart": [1], "seen": 1})
        await check_accounts(current_hub())
        assert not session.modified


async def test_a_heartbeat_while_a_handler_saves_a_new_session_does_not_end_it() -> None:
    class Cycling(Cart):
        async def receive_json(self, content):
            session = self.scope["session"]
            session._session_key = await session._aget_new_session_key()  # as `acreate()` begins
            await check_accounts(current_hub())
            await session.asave(must_create=True)
            self.send_json(dict(session.items()))

    key = await sync_to_async(stored)(cart=[1])
    async with SocketCommunicator(Cycling.as_asgi(), session=store(key)) as socket:
        await socket.send_json({})
        await socket.expect_event({"cart": [1]})
        await check_accounts(current_hub())
        await socket.send_json({})
        await socket.expect_event({"cart": [1]})
