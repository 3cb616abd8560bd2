"""`SocketApplication`: routes, origins, sessions and users, before a view is called."""

import asyncio
import os
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import AsyncClient, override_settings
from django.urls import include as urls
from django.urls import path, re_path
from django.utils import timezone, translation

from rest_channels.consumers import SocketConsumer
from rest_channels.exceptions import CloseCode
from rest_channels.routing import SocketApplication, include, route, route_class
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Where(SocketView):
    async def connect(self, request, **kwargs):
        self.send_json(kwargs)


def send_route(message, **kwargs):
    message.reply_channel.send({"text": '"route"'})


class Room(SocketConsumer):
    async def connect(self):
        await self.send_json(self.scope["url_route"]["kwargs"])


urlpatterns = [path("<int:pk>/", Where.as_asgi())]
QUOTED_NULS = r"\000" * 9  # as a cookie writes them


@pytest.mark.parametrize("given", [__name__, f"{__name__}.urlpatterns", urlpatterns])
async def test_routes_may_be_a_list_or_the_dotted_path_of_a_list_or_module(given) -> None:
    async with SocketCommunicator(SocketApplication(given), "/7/") as socket:
        await socket.expect_event({"pk": 7})


async def test_paths_includes_regular_expressions_and_routes_may_be_in_one_list() -> None:
    app = SocketApplication(
        [
            path("a/", urls(urlpatterns)),
            re_path(r"^b/(?P<name>\w+)/$", Where.as_asgi()),
            route("websocket.connect", send_route, path=r"^/c/$"),
            path("d/<slug:name>/", Where.as_asgi()),
            route_class(Room, path=r"^/(?P<first>e)/$"),
            include([route_class(Where, path=r"^/(?P<name>\w+)/$")], path="^/f"),
        ]
    )
    for where, event in [
        ("/a/1/", {"pk": 1}),
        ("/b/x/", {"name": "x"}),
        ("/c/", "route"),
        ("/d/y/", {"name": "y"}),
        ("/e/", {"first": "e"}),
        ("/f/z/", {"name": "z"}),
    ]:
        async with SocketCommunicator(app, where) as socket:
            await socket.expect_event(event)


async def test_the_first_entry_that_matches_serves_the_connection() -> None:
    room, page = route_class(Room, path=r"^/(?P<room>\d+)/$"), path("<int:pk>/", Where.as_asgi())
    silent = route("websocket.connect", send_route, path=r"^/\d+/$", query_string="^never")
    for entries, event in [
        ([room, page], {"room": "7"}),
        ([page, room], {"pk": 7}),
        ([silent, page, room], {"pk": 7}),
        ([include([silent, room]), page], {"room": "7"}),
    ]:
        async with SocketCommunicator(SocketApplication(entries), "/7/") as socket:
            await socket.expect_event(event)


async def test_an_unknown_path_is_refused_without_a_traceback(caplog) -> None:
    socket = SocketCommunicator(SocketApplication(urlpatterns), "/nowhere/")
    accepted, _code = await socket.connect()
    await socket.disconnect()
    assert not accepted
    assert [record.exc_info for record in caplog.records] == [None]


@pytest.mark.parametrize(
    ("origin", "accepted"), [("http://testserver", True), ("http://evil.example", False)]
)
async def test_a_foreign_origin_is_refused_before_any_view(origin, accepted) -> None:
    app = SocketApplication(urlpatterns)
    socket = SocketCommunicator(app, "/1/", headers=[("Origin", origin)])
    assert (await socket.connect())[0] is accepted
    await socket.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_the_session_cookie_puts_session_and_user_into_the_scope() -> None:
    class UserName(SocketView):
        async def connect(self, request):
            self.send_json([request.user.username, request.session.get("cart")])

    user = await get_user_model().objects.acreate_user("ada")
    client = AsyncClient()
    await client.aforce_login(user)
    session = await client.asession()
    await session.aset("cart", 3)
    await session.asave()
    cookie = f"other=1; sessionid={session.session_key}"
    app = SocketApplication([path("", UserName.as_asgi())])
    async with SocketCommunicator(app, headers=[("Cookie", cookie)]) as socket:
        await socket.expect_event(["ada", 3])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("on", [True, False])
async def test_a_session_key_in_the_url_is_used_only_if_the_setting_allows_it(on) -> None:
    class Cart(SocketView):
        def connect(self, request):
            self.send_json(request.session.get("cart"))

    in_url, in_cookie = SessionStore(), SessionStore()
    in_url["cart"], in_cookie["cart"] = "url", "cookie"
    await in_url.asave()
    await in_cookie.asave()
    headers = [("Cookie", f"sessionid={in_cookie.session_key}")]
    app = SocketApplication([path("", Cart.as_asgi())])
    with override_settings(REST_CHANNELS={"SESSION_KEY_IN_URL": on}):
        for query, cart in [(f"?session_key={in_url.session_key}", "url"), ("?session_key=", None)]:
            async with SocketCommunicator(app, "/" + query, headers=headers) as socket:
                await socket.expect_event(cart if on and cart else "cookie")


@pytest.mark.parametrize(
    "query",
    ["&".join(["a"] * 2_000), "session_key=%ff", "session_key=" + 9 * "%00", "%", "session_key"],
)
@pytest.mark.parametrize("cookie", ["", f'sessionid="{QUOTED_NULS}"', "sessionid", "=", "\xff"])
@override_settings(REST_CHANNELS={"SESSION_KEY_IN_URL": True})
async def test_an_invalid_session_key_is_an_anonymous_user_without_a_query(query, cookie) -> None:
    app = SocketApplication([path("", Where.as_asgi())])
    async with SocketCommunicator(app, "/?" + query, headers=[("Cookie", cookie)]) as socket:
        await socket.expect_event({})


async def test_a_handshake_with_a_query_string_that_is_no_text_is_accepted() -> None:
    class Query(SocketView):
        async def connect(self, request):
            self.send_json(request.query_params)

    app = SocketApplication([path("", Query.as_asgi())])
    socket = SocketCommunicator(app, headers=[("Origin", "http://testserver")])
    socket.scope["query_string"] = b"a=\xff&b=1"
    async with socket:
        await socket.expect_event(b="1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("changed", ["key", "password"])
async def test_a_connection_neither_renews_nor_ends_a_session(changed) -> None:
    class UserName(SocketView):
        async def connect(self, request):
            self.send_json(request.user.username)

    user = await get_user_model().objects.acreate_user("ada", password="old")
    client = AsyncClient()
    await client.aforce_login(user)
    key = (await client.asession()).session_key
    new = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["only for tests"]}
    if changed == "password":
        user.set_password("new")
        await user.asave()
    app = SocketApplication([path("", UserName.as_asgi())])
    with override_settings(**new if changed == "key" else {}):
        async with SocketCommunicator(app, headers=[("Cookie", f"sessionid={key}")]) as socket:
            await socket.expect_event("ada" if changed == "key" else "")
    assert await SessionStore().aexists(key)


async def test_without_a_cookie_there_is_an_anonymous_user_and_no_query() -> None:
    class UserName(SocketView):
        async def connect(self, request):
            self.send_json(isinstance(request.user, AnonymousUser))

    async with SocketCommunicator(SocketApplication([path("", UserName.as_asgi())])) as socket:
        await socket.expect_event(True)


@pytest.mark.django_db(transaction=True)
async def test_language_and_time_zone_are_activated_for_every_call() -> None:
    class Here(SocketView):
        def receive(self, request):
            self.send_json([translation.get_language(), timezone.get_current_timezone_name()])
            translation.activate("fr")

    session = SessionStore()
    session["django_timezone"] = "Asia/Tokyo"
    await session.asave()
    headers = [("Accept-Language", "de"), ("Cookie", f"sessionid={session.session_key}")]
    app = SocketApplication([path("", Here.as_asgi())])
    async with SocketCommunicator(app, headers=headers) as socket:
        for _ in range(2):
            await socket.send_json(None)
            await socket.expect_event(["de", "Asia/Tokyo"])


async def test_http_goes_to_the_http_application_or_is_404() -> None:
    async def http(scope, receive, send):
        await send({"type": "from http"})

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/"}
    await SocketApplication([], http=http)(scope, None, send)
    await SocketApplication([])(scope, None, send)
    assert [message.get("status", message["type"]) for message in sent[:2]] == ["from http", 404]


async def test_the_lifespan_fails_at_startup_when_the_routes_do() -> None:
    async def live(routes):
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        sent = []

        async def receive():
            return next(messages)

        async def send(message):
            sent.append(message["type"])

        try:
            await SocketApplication(routes)({"type": "lifespan"}, receive, send)
        except ImproperlyConfigured as error:
            sent.append(str(error))
        return sent

    assert await live(urlpatterns) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (await live(["wrong"]))[0] == "lifespan.startup.failed"
    assert "'wrong' is no route" in (await live(["wrong"]))[1]


async def test_a_scope_of_another_type_raises_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="'mqtt'"):
        await SocketApplication([])({"type": "mqtt"}, None, None)


@pytest.mark.parametrize(
    ("routes", "error_text"),
    [("no.such.module", "no"), ("tests.settings", "no 'urlpatterns'"), (5, "a list of routes")],
)
def test_wrong_routes_raise_an_error_that_names_them(routes, error_text) -> None:
    with pytest.raises((ImproperlyConfigured, ImportError), match=error_text):
        _ = SocketApplication(routes).routes


@pytest.mark.parametrize("root", ["/site", "/site/"])
@pytest.mark.parametrize("where", ["/site/7/", "/7/"])
async def test_the_root_path_of_the_server_is_not_part_of_the_path(root, where) -> None:
    socket = SocketCommunicator(SocketApplication(urlpatterns), where)
    socket.scope["root_path"] = root
    async with socket:
        await socket.expect_event({"pk": 7})


async def test_the_prefix_in_force_script_name_is_not_part_of_the_path() -> None:
    with override_settings(FORCE_SCRIPT_NAME="/site"):
        async with SocketCommunicator(SocketApplication(urlpatterns), "/site/7/") as socket:
            await socket.expect_event({"pk": 7})
        socket = SocketCommunicator(SocketApplication(urlpatterns), "/sites/7/")
        assert not (await socket.connect())[0]
        await socket.disconnect()


def test_routing_can_be_imported_before_apps_are_ready() -> None:
    code = "import rest_channels.routing, rest_channels.consumers, rest_channels.sessions"
    code = f"from django.conf import settings; settings.configure(); {code}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_an_application_can_be_made_before_the_settings_are_known() -> None:
    code = "from rest_channels.routing import SocketApplication; SocketApplication('site.live')"
    environ = {name: os.environ[name] for name in os.environ if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environ)


async def test_values_that_an_outer_middleware_put_into_the_scope_stay() -> None:
    class UserName(SocketView):
        async def connect(self, request):
            self.send_json(str(request.user))

    app = SocketApplication([path("", UserName.as_asgi())])
    async with SocketCommunicator(app, user=AnonymousUser()) as socket:
        await socket.expect_event("AnonymousUser")


@override_settings(REST_CHANNELS={"THREAD_SENSITIVE": True})
async def test_thread_sensitive_code_can_run_in_the_shared_thread() -> None:
    class Threads(SocketView):
        def receive(self, request):
            import threading

            self.send_json(threading.current_thread().name)

    app = SocketApplication([path("", Threads.as_asgi())])
    async with SocketCommunicator(app) as one, SocketCommunicator(app) as two:
        names = set()
        for socket in (one, two):
            await socket.send_json(None)
            names.add(await socket.expect_event())
        assert len(names) == 1
        assert "rest_channels" not in names.pop()
    await asyncio.sleep(0)


async def test_a_client_whose_user_cannot_be_read_receives_a_close_code_to_reconnect(
    monkeypatch, caplog
) -> None:
    async def broken(scope):
        raise OperationalError("the database is away")

    monkeypatch.setattr("rest_channels.routing.application.with_identity", broken)
    socket = SocketCommunicator(SocketApplication([path("", SocketView.as_asgi())]), "/")
    assert await socket.connect() == (True, None)
    assert CloseCode(await socket.expect_close()).reconnect
    await socket.disconnect()
    assert "Cannot read the session and the user for '/'." in caplog.text
