"""The sessions of an event, and their users: in memory and in Django's session engines."""

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth import alogin, alogout, get_user_model, login, logout
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import AsyncClient, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from rest_framework.permissions import IsAuthenticated

from rest_channels.decorators import rest_channels
from rest_channels.handshake.identity import MemorySession
from rest_channels.routing import ChannelRouter, SocketApplication, route
from rest_channels.sessions import (
    channel_session,
    channel_session_user,
    channel_session_user_from_http,
    http_session,
    http_session_user,
)
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

DATABASE = "django.contrib.sessions.backends.db"
CACHE = "django.contrib.sessions.backends.cache"


class Sync(SocketView):
    @rest_channels(channel_session)
    def connect(self, request):
        request.channel_session["seen"] = ["connect"]

    @rest_channels(channel_session)
    def receive(self, request):
        seen = request.channel_session["seen"]
        request.channel_session["seen"] = [*seen, request.data]
        self.send_json(request.channel_session["seen"])
        if request.data == "raise":
            raise LookupError


class Async(SocketView):
    @rest_channels(channel_session)
    async def connect(self, request):
        request.channel_session["seen"] = ["connect"]

    @rest_channels(channel_session)
    async def receive(self, request):
        seen = request.channel_session["seen"]
        request.channel_session["seen"] = [*seen, request.data]
        self.send_json(request.channel_session["seen"])
        if request.data == "raise":
            raise LookupError


both = pytest.mark.parametrize("view", [Sync, Async])


async def stored() -> list:
    """What the sessions of the database hold."""
    return [session.get_decoded() async for session in Session.objects.all()]


@both
@pytest.mark.parametrize("engine", [None, CACHE, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_it_lives_from_connect_to_the_end_whatever_keeps_it(view, engine) -> None:
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_json("a")
            await socket.expect_event(["connect", "a"])
            await socket.send_json("b")
            await socket.expect_event(["connect", "a", "b"])


@both
@pytest.mark.parametrize("engine", [None, CACHE, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_what_a_handler_wrote_before_it_raised_is_kept(view, engine, caplog) -> None:
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_json("raise")
            await socket.expect_event(["connect", "raise"])
            await socket.expect_event(status=500)
            await socket.send_json("on")
            await socket.expect_event(["connect", "raise", "on"])


@both
@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_with_an_engine_it_is_saved_after_each_handler_also_one_that_raises(
    view, caplog
) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for said, seen in [("a", ["connect", "a"]), ("raise", ["connect", "a", "raise"])]:
            await socket.send_json(said)
            await socket.expect_event(seen)
            if said == "raise":
                await socket.expect_event(status=500)
        await socket.send_json("raise")
        await socket.expect_event()
        await socket.expect_event(status=500)
        assert await stored() == [{"seen": ["connect", "a", "raise", "raise"]}]


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_a_handler_that_only_reads_writes_nothing() -> None:
    class Reading(SocketView):
        @rest_channels(channel_session)
        async def receive(self, request):
            self.send_json(request.channel_session.get("seen"))

    async with SocketCommunicator(Reading.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
    assert await stored() == []


@pytest.mark.parametrize("engine", [None, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_connections_of_one_http_session_do_not_share_it(engine) -> None:
    headers = [("Cookie", "sessionid=abc")]
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        app = Sync.as_asgi()
        async with (
            SocketCommunicator(app, headers=headers) as one,
            SocketCommunicator(app, headers=headers) as two,
        ):
            await one.send_json("one")
            await one.expect_event(["connect", "one"])
            await two.send_json("two")
            await two.expect_event(["connect", "two"])


async def test_a_function_of_a_route_list_takes_it_bare() -> None:
    @channel_session
    def on_connect(message, name):
        message.channel_session["name"] = name

    @channel_session
    async def on_receive(message, name):
        message.reply_channel.send({"text": message.channel_session["name"]})

    where = {"path": r"^/(?P<name>\w+)/$"}
    router = ChannelRouter(
        [
            route("websocket.connect", on_connect, **where),
            route("websocket.receive", on_receive, **where),
        ]
    )
    async with SocketCommunicator(router, "/ada/") as socket:
        await socket.send_to("")
        assert await socket.receive_from() == "ada"


async def test_disconnect_still_has_it() -> None:
    left = []

    class Leaving(Sync):
        @rest_channels(channel_session)
        def disconnect(self, request):
            left.append(request.channel_session["seen"])

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        await socket.send_json("a")
        await socket.expect_event(["connect", "a"])
    assert left == [["connect", "a"]]


async def test_an_event_that_is_not_decorated_has_none() -> None:
    class Bare(SocketView):
        async def receive(self, request):
            self.send_json(request.channel_session)

    async with SocketCommunicator(Bare.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)


async def test_it_ends_with_its_connection() -> None:
    class Counter(SocketView):
        @rest_channels(channel_session)
        async def connect(self, request):
            self.send_json(len(request.channel_session))
            request.channel_session["here"] = True

    for _ in range(2):
        async with SocketCommunicator(Counter.as_asgi()) as socket:
            await socket.expect_event(0)


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_what_was_saved_once_is_not_saved_again_for_nothing(monkeypatch) -> None:
    def save(self, must_create=False):
        saved.append(must_create)
        return original(self, must_create)

    saved, original = [], SessionStore.save
    monkeypatch.setattr(SessionStore, "save", save)
    async with SocketCommunicator(Nested.as_asgi()) as socket:
        for said in ("write", "read", "read"):
            await socket.send_json(said)
            await socket.expect_event("write")
    assert saved == [False, True]  # saving is creating, where there was none


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_one_that_was_flushed_is_not_saved_but_may_begin_anew() -> None:
    class Forgetting(SocketView):
        @rest_channels(channel_session)
        def receive(self, request):
            if request.data == "is it saved?":
                self.send_json("yes")
                return
            request.channel_session.flush()
            if request.data:
                request.channel_session["said"] = request.data

    async with SocketCommunicator(Forgetting.as_asgi()) as socket:
        for said, kept in [("a", [{"said": "a"}]), ("", []), ("b", [{"said": "b"}])]:
            await socket.send_json(said)
            await socket.send_json("is it saved?")
            await socket.expect_event("yes")
            assert await stored() == kept


def test_the_one_in_memory_is_a_mapping_and_a_session() -> None:
    session = MemorySession()
    assert (session, len(session), bool(session), dict(session)) == ({}, 0, False, {})
    session.update({"a": 1})
    session.update(b=2)
    session["c"] = session.pop("a")
    assert (list(session), len(session), bool(session)) == (["b", "c"], 2, True)
    assert session == {"b": 2, "c": 1} == {**session}
    assert (session.modified, session.session_key) == (True, None)
    session.cycle_key()
    session.save()
    assert session.popitem()[0] in "bc"
    session.flush()
    assert session == {}


# HTTP


class Cart(SocketView):
    @rest_channels(http_session)
    def receive(self, request):
        session = request.http_session
        if request.data is not None:
            session["cart"] = request.data
        self.send_json(None if session is None else session.get("cart"))
        if request.data == "raise":
            raise LookupError


class AsyncCart(SocketView):
    @method_decorator(http_session)
    async def receive(self, request):
        session = request.http_session
        if request.data is not None:
            session["cart"] = request.data
        await self.send_json(None if session is None else session.get("cart"))
        if request.data == "raise":
            raise LookupError


carts = pytest.mark.parametrize("view", [Cart, AsyncCart])


def cookie(session) -> list:
    return [("Cookie", f"sessionid={session.session_key}")]


async def kept(**content) -> SessionStore:
    session = SessionStore()
    await session.aupdate(content)
    await session.asave()
    return session


async def again(session) -> dict:
    """What the database holds of `session` by now."""
    return dict(await SessionStore(session.session_key).aitems())


@carts
@pytest.mark.parametrize("door", [False, True])
@pytest.mark.django_db(transaction=True)
async def test_each_event_sees_what_http_wrote_meanwhile(view, door) -> None:
    session = await kept(cart="apple")
    app = SocketApplication([path("", view.as_asgi())]) if door else view.as_asgi()
    async with SocketCommunicator(app, headers=cookie(session)) as socket:
        for cart in ("apple", "pear"):
            session["cart"] = cart
            await session.asave()
            await socket.send_json(None)
            await socket.expect_event(cart)


@carts
@pytest.mark.parametrize("said", ["pear", "raise"])
@pytest.mark.django_db(transaction=True)
async def test_what_a_handler_changes_is_saved_also_when_it_raises(view, said, caplog) -> None:
    session = await kept(cart="apple", other=1)
    async with SocketCommunicator(view.as_asgi(), session=session) as socket:
        await socket.send_json(said)
        await socket.expect_event(said)
    assert await again(session) == {"cart": said, "other": 1}


@carts
async def test_without_a_session_in_the_handshake_it_is_none(view) -> None:
    async with SocketCommunicator(view.as_asgi(), headers=[("Cookie", "other=1")]) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)


@carts
@pytest.mark.parametrize("key", ["forged-but-long", "short"])
@pytest.mark.django_db(transaction=True)
async def test_a_session_that_does_not_exist_is_empty_and_stays_so(view, key) -> None:
    headers = [("Cookie", f"sessionid={key}")]
    async with SocketCommunicator(view.as_asgi(), headers=headers) as socket:
        for said in ("pear", None):
            await socket.send_json(said)
            await socket.expect_event(said)
    assert await stored() == []


@carts
@pytest.mark.django_db(transaction=True)
async def test_one_that_ends_while_a_handler_runs_is_not_saved_and_no_error(view, caplog) -> None:
    class Slow(view):
        def send_json(self, data):
            Session.objects.all().delete()
            return super().send_json(data)

    class AsyncSlow(view):
        async def send_json(self, data):
            await Session.objects.all().adelete()
            return await super().send_json(data)

    session = await kept(cart="apple")
    slow = Slow if view is Cart else AsyncSlow
    async with SocketCommunicator(slow.as_asgi(), headers=cookie(session)) as socket:
        await socket.send_json("pear")
        await socket.expect_event("pear")
    assert await stored() == []
    assert "deleted in the meantime" in caplog.text


@override_settings(REST_CHANNELS={"SESSION_KEY_IN_URL": True})
@pytest.mark.django_db(transaction=True)
async def test_the_url_names_it_before_the_cookie_where_a_setting_lets_it() -> None:
    one, two = await kept(cart="url"), await kept(cart="cookie")
    where = f"/?session_key={one.session_key}"
    async with SocketCommunicator(Cart.as_asgi(), where, headers=cookie(two)) as socket:
        await socket.send_json(None)
        await socket.expect_event("url")


# Users


class SyncUser(SocketView):
    @rest_channels(http_session_user)
    def receive(self, request):
        self.send_json([request.user.username, str(request.scope.get("user"))])

    def disconnect(self, request):
        self.left.append(str(request.user))

    left = []


class AsyncUser(SyncUser):
    @rest_channels(http_session_user)
    async def receive(self, request):
        self.send_json([request.user.username, str(request.scope.get("user"))])


async def logged_in(name: str):
    """A client of HTTP whose user is `name`, and its session."""
    client = AsyncClient()
    await client.aforce_login(await get_user_model().objects.acreate_user(name))
    return client, await client.asession()


@pytest.mark.parametrize("view", [SyncUser, AsyncUser])
@pytest.mark.django_db(transaction=True)
async def test_the_user_of_the_http_session_is_looked_up_for_each_event_and_only_for_it(
    view,
) -> None:
    _client, session = await logged_in("ada")
    left = []
    app = SocketApplication([path("", view.as_asgi(left=left))])
    async with SocketCommunicator(app, headers=cookie(session)) as socket:
        await socket.send_json(None)
        await socket.expect_event(["ada", "ada"])
        await get_user_model().objects.aupdate(username="bob")
        await socket.send_json(None)
        await socket.expect_event(["bob", "ada"])
        await session.apop("_auth_user_id")
        await session.asave()
        await socket.send_json(None)
        await socket.expect_event(["", "ada"])
    assert left == ["ada"]


class Guest(SocketView):
    permission_classes = [IsAuthenticated]

    @rest_channels(channel_session_user)
    async def receive(self, request):
        self.send_json(request.user.username)


@pytest.mark.django_db(transaction=True)
async def test_permissions_are_asked_about_who_connected() -> None:
    _client, session = await logged_in("ada")
    app = SocketApplication([path("", Guest.as_asgi())])
    async with SocketCommunicator(app, headers=cookie(session)) as socket:
        for _ in range(2):  # the channel session has no user, and the connection keeps its own
            await socket.send_json(None)
            await socket.expect_event("")


@channel_session_user_from_http
def on_connect(message):
    message.reply_channel.send({"text": str(message.user)})


@channel_session_user_from_http
async def on_connect_async(message):
    await message.reply_channel.send({"text": str(message.user)})


@channel_session_user
def on_receive(message):
    message.reply_channel.send({"text": str(message.user)})


@channel_session_user
async def on_receive_async(message):
    await message.reply_channel.send({"text": str(message.user)})


def router(connect, receive) -> ChannelRouter:
    return ChannelRouter([route("websocket.connect", connect), route("websocket.receive", receive)])


@pytest.mark.parametrize("connect", [on_connect, on_connect_async])
@pytest.mark.parametrize("receive", [on_receive, on_receive_async])
@pytest.mark.parametrize("engine", [None, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_the_login_of_the_http_session_stays_in_the_channel_session(
    connect, receive, engine
) -> None:
    client, session = await logged_in("ada")
    headers = cookie(session)
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(router(connect, receive), headers=headers) as socket:
            assert await socket.receive_from() == "ada"
            await client.alogout()
            await socket.send_to("")
            assert await socket.receive_from() == "ada"


@pytest.mark.django_db(transaction=True)
async def test_a_login_that_is_out_of_date_is_nobodys_and_ends_no_session() -> None:
    _client, session = await logged_in("ada")
    app = router(on_connect, on_receive)
    async with SocketCommunicator(app, headers=cookie(session)) as socket:
        assert await socket.receive_from() == "ada"
        user = await get_user_model().objects.aget()
        user.set_password("new")
        await user.asave()
        await socket.send_to("")
        assert await socket.receive_from() == "AnonymousUser"
    assert "_auth_user_id" in await again(session)


@pytest.mark.parametrize("content", [{}, {"_auth_user_id": "1"}, {"_auth_user_backend": "x"}])
@pytest.mark.django_db(transaction=True)
async def test_half_a_login_is_not_copied(content) -> None:
    @channel_session_user_from_http
    def on_connect(message):
        message.reply_channel.send({"text": str(dict(message.channel_session))})

    headers = cookie(await kept(**content))
    async with SocketCommunicator(router(on_connect, on_receive), headers=headers) as socket:
        assert await socket.receive_from() == "{}"
        await socket.send_to("")
        assert await socket.receive_from() == "AnonymousUser"


@pytest.mark.parametrize("handler", [on_connect, on_connect_async, on_receive, on_receive_async])
async def test_nobody_is_refused_for_being_nobody(handler) -> None:
    async with SocketCommunicator(router(handler, handler)) as socket:
        assert await socket.receive_from() == "AnonymousUser"


class Door(SocketView):
    @rest_channels(channel_session_user)
    def receive(self, request):
        target = SimpleNamespace(session=request.channel_session, META={})
        user = get_user_model().objects.filter(username=request.data).first()
        login(target, user) if user else logout(target)
        self.send_json(sorted(request.channel_session.keys()))


class AsyncDoor(SocketView):
    @rest_channels(channel_session_user)
    async def receive(self, request):
        target = SimpleNamespace(session=request.channel_session, META={})
        user = await get_user_model().objects.filter(username=request.data).afirst()
        await (alogin(target, user) if user else alogout(target))
        self.send_json(sorted(request.channel_session.keys()))


@pytest.mark.parametrize("view", [Door, AsyncDoor])
@pytest.mark.parametrize("engine", [None, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_django_can_log_in_to_a_channel_session_and_out_of_it(view, engine) -> None:
    await get_user_model().objects.acreate_user("ada")
    keys = ["_auth_user_backend", "_auth_user_hash", "_auth_user_id"]
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            for said, there in [("ada", keys), ("", []), ("ada", keys)]:
                await socket.send_json(said)
                await socket.expect_event(there)


# Together


class Nested(SocketView):
    @rest_channels(channel_session)
    @rest_channels(http_session_user)
    @rest_channels(channel_session_user_from_http)
    def receive(self, request):
        if request.data == "write":
            request.channel_session["said"] = request.data
        self.send_json(request.channel_session.get("said"))


@pytest.mark.parametrize("outer", [http_session, http_session_user, channel_session_user_from_http])
@pytest.mark.parametrize("inner", [http_session, http_session_user, channel_session_user_from_http])
@pytest.mark.django_db(transaction=True)
async def test_decorators_in_each_other_share_one_session(outer, inner) -> None:
    class Sharing(SocketView):
        @rest_channels(outer)
        def receive(self, request):
            request.http_session["outer"] = True
            self.go_on(request)

        @rest_channels(inner)
        def go_on(self, request):
            request.http_session["inner"] = True
            self.send_json(None)

    session = await kept()
    async with SocketCommunicator(Sharing.as_asgi(), session=session) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
    assert await again(session) == {"outer": True, "inner": True}


async def test_a_bare_decorator_finds_the_request_of_a_method_too() -> None:
    class Bare(SocketView):
        @channel_session
        async def receive(self, request):
            request.channel_session["said"] = request.data
            self.send_json(request.channel_session)

    async with SocketCommunicator(Bare.as_asgi()) as socket:
        await socket.send_json(5)
        await socket.expect_event({"said": 5})


def test_without_a_request_there_is_nothing_to_decorate() -> None:
    with pytest.raises(TypeError, match=r"on_receive.* was called without a request"):
        on_receive("message")


@pytest.mark.parametrize(
    ("app", "decorator"),
    [
        ("django.contrib.sessions", http_session),
        ("django.contrib.sessions", http_session_user),
        ("django.contrib.auth", http_session_user),
        ("django.contrib.auth", channel_session_user),
    ],
)
async def test_an_app_that_is_not_installed_is_named(monkeypatch, app, decorator, caplog) -> None:
    class View(SocketView):
        receive = rest_channels(decorator)(SocketView.get_call)

    monkeypatch.setattr(apps, "is_installed", lambda name: name != app)
    async with SocketCommunicator(View.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(status=500)
    assert f"'{app}' in INSTALLED_APPS" in caplog.text
