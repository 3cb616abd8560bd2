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


class SyncView(SocketView):
    @rest_channels(channel_session)
    def connect(self, request):
        request.channel_session["data"] = ["connect"]

    @rest_channels(channel_session)
    def receive(self, request):
        data = request.channel_session["data"]
        request.channel_session["data"] = [*data, request.data]
        self.send_json(request.channel_session["data"])
        if request.data == "raise":
            raise LookupError


class AsyncView(SocketView):
    @rest_channels(channel_session)
    async def connect(self, request):
        request.channel_session["data"] = ["connect"]

    @rest_channels(channel_session)
    async def receive(self, request):
        data = request.channel_session["data"]
        request.channel_session["data"] = [*data, request.data]
        self.send_json(request.channel_session["data"])
        if request.data == "raise":
            raise LookupError


both_views = pytest.mark.parametrize("view", [SyncView, AsyncView])


async def stored_contents() -> list:
    """Return the contents of the sessions in the database."""
    return [session.get_decoded() async for session in Session.objects.all()]


@both_views
@pytest.mark.parametrize("engine", [None, CACHE, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_every_engine_keeps_the_channel_session_for_the_connection(view, engine) -> None:
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_json("a")
            await socket.expect_event(["connect", "a"])
            await socket.send_json("b")
            await socket.expect_event(["connect", "a", "b"])


@both_views
@pytest.mark.parametrize("engine", [None, CACHE, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_a_channel_session_keeps_the_data_of_a_failed_handler(view, engine, caplog) -> None:
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_json("raise")
            await socket.expect_event(["connect", "raise"])
            await socket.expect_event(status=500)
            await socket.send_json("on")
            await socket.expect_event(["connect", "raise", "on"])


@both_views
@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_an_engine_saves_the_channel_session_even_if_a_handler_raises(view, caplog) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for content, data in [("a", ["connect", "a"]), ("raise", ["connect", "a", "raise"])]:
            await socket.send_json(content)
            await socket.expect_event(data)
            if content == "raise":
                await socket.expect_event(status=500)
        await socket.send_json("raise")
        await socket.expect_event()
        await socket.expect_event(status=500)
        assert await stored_contents() == [{"data": ["connect", "a", "raise", "raise"]}]


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_a_handler_that_only_reads_the_channel_session_saves_nothing() -> None:
    class Reading(SocketView):
        @rest_channels(channel_session)
        async def receive(self, request):
            self.send_json(request.channel_session.get("data"))

    async with SocketCommunicator(Reading.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
    assert await stored_contents() == []


@pytest.mark.parametrize("engine", [None, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_two_connections_of_one_http_session_have_separate_channel_sessions(engine) -> None:
    headers = [("Cookie", "sessionid=abc")]
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        app = SyncView.as_asgi()
        async with (
            SocketCommunicator(app, headers=headers) as first,
            SocketCommunicator(app, headers=headers) as second,
        ):
            await first.send_json("one")
            await first.expect_event(["connect", "one"])
            await second.send_json("two")
            await second.expect_event(["connect", "two"])


async def test_a_function_of_a_route_list_takes_the_decorator_directly() -> None:
    @channel_session
    def on_connect(message, name):
        message.channel_session["name"] = name

    @channel_session
    async def on_receive(message, name):
        message.reply_channel.send({"text": message.channel_session["name"]})

    options = {"path": r"^/(?P<name>\w+)/$"}
    router = ChannelRouter(
        [
            route("websocket.connect", on_connect, **options),
            route("websocket.receive", on_receive, **options),
        ]
    )
    async with SocketCommunicator(router, "/ada/") as socket:
        await socket.send_to("")
        assert await socket.receive_from() == "ada"


async def test_the_disconnect_handler_has_the_channel_session() -> None:
    contents = []

    class Leaving(SyncView):
        @rest_channels(channel_session)
        def disconnect(self, request):
            contents.append(request.channel_session["data"])

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        await socket.send_json("a")
        await socket.expect_event(["connect", "a"])
    assert contents == [["connect", "a"]]


async def test_an_event_without_the_decorator_has_no_channel_session() -> None:
    class Bare(SocketView):
        async def receive(self, request):
            self.send_json(request.channel_session)

    async with SocketCommunicator(Bare.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)


async def test_a_channel_session_ends_with_its_connection() -> None:
    class Counter(SocketView):
        @rest_channels(channel_session)
        async def connect(self, request):
            self.send_json(len(request.channel_session))
            request.channel_session["connected"] = True

    for _ in range(2):
        async with SocketCommunicator(Counter.as_asgi()) as socket:
            await socket.expect_event(0)


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_a_channel_session_is_saved_only_after_a_change(monkeypatch) -> None:
    def save(self, must_create=False):
        saves.append(must_create)
        return original(self, must_create)

    saves, original = [], SessionStore.save
    monkeypatch.setattr(SessionStore, "save", save)
    async with SocketCommunicator(Nested.as_asgi()) as socket:
        for content in ("write", "read", "read"):
            await socket.send_json(content)
            await socket.expect_event("write")
    assert saves == [False, True]  # the first save creates the session


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_a_flushed_channel_session_is_not_saved_until_a_handler_writes_to_it() -> None:
    class Forgetting(SocketView):
        @rest_channels(channel_session)
        def receive(self, request):
            if request.data == "reply":
                self.send_json("yes")
                return
            request.channel_session.flush()
            if request.data:
                request.channel_session["content"] = request.data

    async with SocketCommunicator(Forgetting.as_asgi()) as socket:
        for content, saved in [("a", [{"content": "a"}]), ("", []), ("b", [{"content": "b"}])]:
            await socket.send_json(content)
            await socket.send_json("reply")
            await socket.expect_event("yes")
            assert await stored_contents() == saved


def test_a_memory_session_is_a_mapping_and_a_session() -> None:
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


# HTTP sessions


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


both_carts = pytest.mark.parametrize("view", [Cart, AsyncCart])


def cookie_header(session) -> list:
    return [("Cookie", f"sessionid={session.session_key}")]


async def create_session(**content) -> SessionStore:
    session = SessionStore()
    await session.aupdate(content)
    await session.asave()
    return session


async def stored_content(session) -> dict:
    """Return the content of `session` in the database."""
    return dict(await SessionStore(session.session_key).aitems())


@both_carts
@pytest.mark.parametrize("with_application", [False, True])
@pytest.mark.django_db(transaction=True)
async def test_each_event_reads_the_session_as_http_wrote_it(view, with_application) -> None:
    session = await create_session(cart="apple")
    app = SocketApplication([path("", view.as_asgi())]) if with_application else view.as_asgi()
    async with SocketCommunicator(app, headers=cookie_header(session)) as socket:
        for cart in ("apple", "pear"):
            session["cart"] = cart
            await session.asave()
            await socket.send_json(None)
            await socket.expect_event(cart)


@both_carts
@pytest.mark.parametrize("content", ["pear", "raise"])
@pytest.mark.django_db(transaction=True)
async def test_a_changed_http_session_is_saved_even_after_an_error(view, content, caplog) -> None:
    session = await create_session(cart="apple", other=1)
    async with SocketCommunicator(view.as_asgi(), session=session) as socket:
        await socket.send_json(content)
        await socket.expect_event(content)
    assert await stored_content(session) == {"cart": content, "other": 1}


@both_carts
async def test_a_handshake_without_a_session_gives_no_http_session(view) -> None:
    async with SocketCommunicator(view.as_asgi(), headers=[("Cookie", "other=1")]) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)


@both_carts
@pytest.mark.parametrize("key", ["forged-but-long", "short"])
@pytest.mark.django_db(transaction=True)
async def test_an_http_session_that_does_not_exist_is_empty_and_not_created(view, key) -> None:
    headers = [("Cookie", f"sessionid={key}")]
    async with SocketCommunicator(view.as_asgi(), headers=headers) as socket:
        for content in ("pear", None):
            await socket.send_json(content)
            await socket.expect_event(content)
    assert await stored_contents() == []


@both_carts
@pytest.mark.django_db(transaction=True)
async def test_an_http_session_deleted_by_another_request_is_not_saved(view, caplog) -> None:
    class Slow(view):
        def send_json(self, data):
            Session.objects.all().delete()
            return super().send_json(data)

    class AsyncSlow(view):
        async def send_json(self, data):
            await Session.objects.all().adelete()
            return await super().send_json(data)

    session = await create_session(cart="apple")
    slow = Slow if view is Cart else AsyncSlow
    async with SocketCommunicator(slow.as_asgi(), headers=cookie_header(session)) as socket:
        await socket.send_json("pear")
        await socket.expect_event("pear")
    assert await stored_contents() == []
    assert "deleted in the meantime" in caplog.text


@override_settings(REST_CHANNELS={"SESSION_KEY_IN_URL": True})
@pytest.mark.django_db(transaction=True)
async def test_the_url_names_the_session_before_the_cookie_if_the_setting_allows_it() -> None:
    in_url, in_cookie = await create_session(cart="url"), await create_session(cart="cookie")
    path_with_key = f"/?session_key={in_url.session_key}"
    async with SocketCommunicator(
        Cart.as_asgi(), path_with_key, headers=cookie_header(in_cookie)
    ) as socket:
        await socket.send_json(None)
        await socket.expect_event("url")


# Users


class SyncUser(SocketView):
    @rest_channels(http_session_user)
    def receive(self, request):
        self.send_json([request.user.username, str(request.scope.get("user"))])

    def disconnect(self, request):
        self.users_on_disconnect.append(str(request.user))

    users_on_disconnect = []


class AsyncUser(SyncUser):
    @rest_channels(http_session_user)
    async def receive(self, request):
        self.send_json([request.user.username, str(request.scope.get("user"))])


async def log_in(name: str):
    """Return an HTTP client whose user is `name`, and its session."""
    client = AsyncClient()
    await client.aforce_login(await get_user_model().objects.acreate_user(name))
    return client, await client.asession()


@pytest.mark.parametrize("view", [SyncUser, AsyncUser])
@pytest.mark.django_db(transaction=True)
async def test_each_event_has_the_current_user_of_the_http_session(view) -> None:
    _client, session = await log_in("ada")
    users = []
    app = SocketApplication([path("", view.as_asgi(users_on_disconnect=users))])
    async with SocketCommunicator(app, headers=cookie_header(session)) as socket:
        await socket.send_json(None)
        await socket.expect_event(["ada", "ada"])
        await get_user_model().objects.aupdate(username="bob")
        await socket.send_json(None)
        await socket.expect_event(["bob", "ada"])
        await session.apop("_auth_user_id")  # as a logout, which deletes the session
        await session.asave()
        await socket.expect_close(4440)
    assert users == ["ada"]


class Guest(SocketView):
    permission_classes = [IsAuthenticated]

    @rest_channels(channel_session_user)
    async def receive(self, request):
        self.send_json(request.user.username)


@pytest.mark.django_db(transaction=True)
async def test_permissions_are_checked_for_the_user_who_connected() -> None:
    _client, session = await log_in("ada")
    app = SocketApplication([path("", Guest.as_asgi())])
    async with SocketCommunicator(app, headers=cookie_header(session)) as socket:
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
async def test_the_channel_session_keeps_the_login_of_the_http_session(
    connect, receive, engine
) -> None:
    client, session = await log_in("ada")
    headers = cookie_header(session)
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(router(connect, receive), headers=headers) as socket:
            assert await socket.receive_from() == "ada"
            await client.alogout()
            await socket.send_to("")
            assert await socket.receive_from() == "ada"


@pytest.mark.django_db(transaction=True)
async def test_an_outdated_login_gives_an_anonymous_user_and_ends_no_session() -> None:
    _client, session = await log_in("ada")
    app = router(on_connect, on_receive)
    async with SocketCommunicator(app, headers=cookie_header(session)) as socket:
        assert await socket.receive_from() == "ada"
        user = await get_user_model().objects.aget()
        user.set_password("new")
        await user.asave()
        await socket.send_to("")
        assert await socket.receive_from() == "AnonymousUser"
    assert "_auth_user_id" in await stored_content(session)


@pytest.mark.parametrize("content", [{}, {"_auth_user_id": "1"}, {"_auth_user_backend": "x"}])
@pytest.mark.django_db(transaction=True)
async def test_an_incomplete_login_is_not_copied_to_the_channel_session(content) -> None:
    @channel_session_user_from_http
    def on_connect(message):
        message.reply_channel.send({"text": str(dict(message.channel_session))})

    headers = cookie_header(await create_session(**content))
    async with SocketCommunicator(router(on_connect, on_receive), headers=headers) as socket:
        assert await socket.receive_from() == "{}"
        await socket.send_to("")
        assert await socket.receive_from() == "AnonymousUser"


@pytest.mark.parametrize("handler", [on_connect, on_connect_async, on_receive, on_receive_async])
async def test_the_decorators_do_not_refuse_an_anonymous_user(handler) -> None:
    async with SocketCommunicator(router(handler, handler)) as socket:
        assert await socket.receive_from() == "AnonymousUser"


class LoginView(SocketView):
    @rest_channels(channel_session_user)
    def receive(self, request):
        target = SimpleNamespace(session=request.channel_session, META={})
        user = get_user_model().objects.filter(username=request.data).first()
        login(target, user) if user else logout(target)
        self.send_json(sorted(request.channel_session.keys()))


class AsyncLoginView(SocketView):
    @rest_channels(channel_session_user)
    async def receive(self, request):
        target = SimpleNamespace(session=request.channel_session, META={})
        user = await get_user_model().objects.filter(username=request.data).afirst()
        await (alogin(target, user) if user else alogout(target))
        self.send_json(sorted(request.channel_session.keys()))


@pytest.mark.parametrize("view", [LoginView, AsyncLoginView])
@pytest.mark.parametrize("engine", [None, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_django_can_log_a_user_in_to_a_channel_session_and_out_of_it(view, engine) -> None:
    await get_user_model().objects.acreate_user("ada")
    keys = ["_auth_user_backend", "_auth_user_hash", "_auth_user_id"]
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            for name, session_keys in [("ada", keys), ("", []), ("ada", keys)]:
                await socket.send_json(name)
                await socket.expect_event(session_keys)


# Nested decorators


class Nested(SocketView):
    @rest_channels(channel_session)
    @rest_channels(http_session_user)
    @rest_channels(channel_session_user_from_http)
    def receive(self, request):
        if request.data == "write":
            request.channel_session["content"] = request.data
        self.send_json(request.channel_session.get("content"))


@pytest.mark.parametrize("outer", [http_session, http_session_user, channel_session_user_from_http])
@pytest.mark.parametrize("inner", [http_session, http_session_user, channel_session_user_from_http])
@pytest.mark.django_db(transaction=True)
async def test_nested_decorators_share_one_session(outer, inner) -> None:
    class Sharing(SocketView):
        @rest_channels(outer)
        def receive(self, request):
            request.http_session["outer"] = True
            self.inner_handler(request)

        @rest_channels(inner)
        def inner_handler(self, request):
            request.http_session["inner"] = True
            self.send_json(None)

    session = await create_session()
    async with SocketCommunicator(Sharing.as_asgi(), session=session) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
    assert await stored_content(session) == {"outer": True, "inner": True}


async def test_a_direct_decorator_finds_the_request_of_a_method() -> None:
    class Bare(SocketView):
        @channel_session
        async def receive(self, request):
            request.channel_session["content"] = request.data
            self.send_json(request.channel_session)

    async with SocketCommunicator(Bare.as_asgi()) as socket:
        await socket.send_json(5)
        await socket.expect_event({"content": 5})


def test_a_decorated_function_without_a_request_raises_an_error() -> None:
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
async def test_a_missing_app_is_named_in_the_error(monkeypatch, app, decorator, caplog) -> None:
    class View(SocketView):
        receive = rest_channels(decorator)(SocketView.find_handler)

    monkeypatch.setattr(apps, "is_installed", lambda name: name != app)
    async with SocketCommunicator(View.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(status=500)
    assert f"'{app}' in INSTALLED_APPS" in caplog.text
