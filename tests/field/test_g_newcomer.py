"""Situations of new users: wrong wiring, no channel layer, refused clients."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.apps import apps
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import include as include_urls
from django.urls import path, re_path
from django.views import View
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.engine import publish
from rest_channels.groups import Group
from rest_channels.multiplexer import Multiplexer
from rest_channels.routing import SocketApplication, route, route_class
from rest_channels.routing.first_use import FirstUse, first_use
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter
from tests import asgi
from tests.brokers import LAYERS, layers

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def reaching_layer():
    """Configure a layer that reaches other processes. No test connects to it."""
    with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], "redis://localhost:1")):
        yield


@pytest.fixture
def messages(monkeypatch):
    """`messages(routes)` returns what the checks say about a project with these routes."""

    def check(routes=None, application=None):
        application = application or SocketApplication(routes)
        monkeypatch.setattr(asgi, "application", application)
        monkeypatch.setattr(first_use, "application", None)
        return [each for each in run_checks() if each.id.startswith("rest_channels")]

    return check


class Page(View):
    pass


class Api(APIView):
    pass


class Chat(SocketConsumer):
    pass


class Editor(SocketView):
    def connect(self, request, **kwargs):
        pass


def page(request):
    pass


async def async_page(request, pk):
    pass


@pytest.mark.parametrize(
    ("entry", "code", "cure"),
    [
        (path("x/", Editor), "E021", "Editor.as_asgi()"),
        (path("x/", Chat), "E021", "Chat.as_asgi()"),
        (path("x/", Page.as_view()), "E022", "view_as_consumer(Page)."),
        (path("x/", Api.as_view()), "E022", "view_as_consumer(Api)."),
        (path("x/", Editor.as_view()), "E022", "Editor.as_asgi()"),
        (path("x/", Chat()), "E023", "Chat.as_asgi()"),
        (path("x/", page), "E023", "urls.py"),
        (path("x/", async_page), "E023", "urls.py"),
        (path("/x/", Chat.as_asgi()), "E024", "first slash"),
        (re_path(r"^/x/$", Chat.as_asgi()), "E024", "first slash"),
        (route_class(Chat, path=r"^x/$"), "E024", "^/x/$"),
        (path("x/", include_urls([path("y/", Editor)])), "E021", "Editor.as_asgi()"),
        (path("x/", URLRouter([path("y/", Editor)])), "E021", "Editor.as_asgi()"),
    ],
)
def test_a_wrong_entry_of_the_routes_is_an_error_that_says_what_to_write(
    messages, entry, code, cure
) -> None:
    [message] = messages([entry])
    assert message.id == f"rest_channels.{code}"
    assert cure in message.hint


def test_correct_entries_of_all_kinds_give_no_message(messages) -> None:
    assert messages([
        path("a/", Chat.as_asgi()),
        re_path(r"^b/(?P<pk>\d+)/$", Editor.as_asgi()),
        path("c/", Multiplexer(chat=Chat.as_asgi())),
        path("d/", URLRouter([path("e/<int:pk>/", Editor.as_asgi())])),
        path("f/", SocketRouter().as_asgi()),
        route("websocket.receive", Editor.as_view(), path=r"^/g/(?P<pk>\d+)/$"),
        route_class(Chat, path=r"^/h/$"),
        route("websocket.connect", lambda message: None),
    ]) == []  # fmt: skip


def test_two_entries_with_one_path_are_reported(messages) -> None:
    [message] = messages([path("x/", Chat.as_asgi()), path("x/", Editor.as_asgi())])
    assert message.id == "rest_channels.W023"


def test_the_routes_inside_channels_own_routers_and_middleware_are_checked(messages) -> None:
    inner = SessionMiddlewareStack(URLRouter([path("x/", Editor)]))
    application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": inner})
    assert [each.id for each in messages(application=application)] == ["rest_channels.E021"]


# Handlers.


class NoPk(SocketView):
    def connect(self, request):
        pass


class NoRequest(SocketView):
    def receive(self):
        pass


class NoData(SocketRouteView):
    @socket_route
    def save(self, request):
        pass


class NoCode(SocketConsumer):
    async def disconnect(self):
        pass


class NoContent(SocketConsumer):
    def receive_json(self):
        pass


class OtherName(SocketConsumer):
    def receive(self, data):
        pass


class NoSelf(AsyncAPIConsumer):
    @action()
    def save():
        pass


def no_kwargs(message):
    pass


@pytest.mark.parametrize(
    ("entry", "cure"),
    [
        (path("x/<int:pk>/", NoPk.as_asgi()), "def connect(self, request, pk)"),
        (re_path(r"^x/(?P<pk>\d+)/$", NoPk.as_asgi()), "def connect(self, request, pk)"),
        (re_path(r"^x/(\d+)/$", NoPk.as_asgi()), "def connect(self, request, …)"),
        (path("<pk>/", include_urls([path("x/", NoPk.as_asgi())])), "(self, request, pk)"),
        (path("x/", NoPk.as_asgi(), {"pk": 1}), "(self, request, pk)"),
        (path("x/", NoRequest.as_asgi()), "def receive(self, request)"),
        (path("x/", NoData.as_asgi()), "def save(self, request, data)"),
        (path("x/", NoCode.as_asgi()), "def disconnect(self, code)"),
        (path("x/", NoContent.as_asgi()), "def receive_json(self, content)"),
        (path("x/", OtherName.as_asgi()), "def receive(self, text_data, bytes_data)"),
        (path("x/", NoSelf.as_asgi()), "def save(self, …)"),
        (route_class(NoPk, path=r"^/x/(?P<pk>\d+)$"), "def connect(self, request, pk)"),
        (route("websocket.receive", no_kwargs, path="^/(?P<pk>.+)"), "no_kwargs(message, pk)"),
        (path("x/", Multiplexer(a=NoCode.as_asgi())), "def disconnect(self, code)"),
    ],
)
def test_a_handler_with_wrong_arguments_is_an_error_that_shows_the_right_ones(
    messages, entry, cure
) -> None:
    [message] = messages([entry])
    assert message.id == "rest_channels.E025"
    assert cure in message.hint


def typo(base, name, value):
    return type("Typo", (base,), {name: value, "__module__": __name__})


def method(self, *args, **kwargs):
    pass


@pytest.mark.parametrize(
    ("base", "name", "value", "meant"),
    [
        (SocketView, "recieve", method, "receive"),
        (SocketView, "conect", method, "connect"),
        (SocketView, "disconect", method, "disconnect"),
        (SocketView, "receive_json", method, "receive"),
        (SocketConsumer, "recieve_json", method, "receive_json"),
        (SocketConsumer, "recieve", method, "receive"),
        (SocketConsumer, "disconnnect", method, "disconnect"),
    ],
)
def test_a_misspelt_name_is_reported_with_the_right_one(messages, base, name, value, meant) -> None:
    [message] = messages([path("x/", typo(base, name, value).as_asgi())])
    assert message.id == "rest_channels.W024"
    assert repr(meant) in message.msg


@pytest.mark.parametrize("name", ["connected", "receiving", "send_text", "rooms", "tell"])
def test_a_method_of_the_projects_own_is_no_typo(messages, name) -> None:
    assert messages([path("x/", typo(SocketConsumer, name, method).as_asgi())]) == []


def router_messages(router):
    return [each for each in run_checks() if each.obj is router]


def test_a_function_of_a_router_with_an_argument_too_few_is_an_error() -> None:
    router = SocketRouter()

    @router.route("MOVE")
    def on_move(socket):
        pass

    [message] = router_messages(router)
    assert (message.id, message.hint) == ("sockets.E001", "Write def on_move(socket, content).")


def test_a_type_that_a_router_has_twice_is_reported() -> None:
    router = SocketRouter()
    router.route("MOVE")(print)
    router.route("MOVE")(lambda socket, content: None)
    assert [each.id for each in router_messages(router)] == ["sockets.W002"]


# Settings.


def found(**settings):
    with override_settings(**settings):
        return [each.id for each in run_checks() if each.id.startswith("rest_channels")]


def test_a_missing_asgi_application_is_reported() -> None:
    assert found(ASGI_APPLICATION=None) == ["rest_channels.W020"]


def test_an_asgi_application_that_serves_no_sockets_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(asgi, "application", get_asgi_application())
    assert found() == ["rest_channels.W021"]
    monkeypatch.setattr(asgi, "application", ProtocolTypeRouter({"http": get_asgi_application()}))
    assert found() == ["rest_channels.W021"]


@pytest.mark.parametrize("routes", ["no.such.module", [42], [path("x/", Chat.as_asgi()), None]])
def test_routes_that_cannot_be_used_are_an_error(monkeypatch, routes) -> None:
    monkeypatch.setattr(asgi, "application", SocketApplication(routes))
    assert found() == ["rest_channels.E020"]


def test_runserver_without_daphne_is_reported_in_development() -> None:
    assert found(DEBUG=True) == ["rest_channels.W022"]
    assert found(DEBUG=False) == []


def test_the_app_sockets_missing_from_the_settings_is_an_error(messages, monkeypatch) -> None:
    real = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "sockets" and real(name))
    [message] = messages([path("x/", SocketRouter().as_asgi())])
    assert message.id == "rest_channels.E026"


def test_the_app_rest_channels_missing_from_the_settings_is_an_error(tmp_path) -> None:
    (tmp_path / "lonely.py").write_text(
        'SECRET_KEY = "x"\nINSTALLED_APPS = ["lonelyapp"]\nDATABASES = {}\n'
    )
    (tmp_path / "lonelyapp.py").write_text("import rest_channels\n")
    command = [sys.executable, "-m", "django", "check", "--settings=lonely"]
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "rest_channels.E027" in done.stderr


# No channel layer.


def test_a_process_that_serves_no_sockets_warns_once_that_nothing_is_received(
    monkeypatch, caplog
) -> None:
    monkeypatch.setattr(publish, "_hubs", {})
    monkeypatch.setattr(publish, "_warned", False)
    with override_settings(CHANNEL_LAYERS={}):
        Group("lobby").send({"text": "hi"})
        publish.may_have_members("lobby")
    [record] = caplog.records
    assert "CHANNEL_LAYERS" in record.getMessage()


def test_a_process_does_not_warn_where_the_check_is_silenced(monkeypatch, caplog) -> None:
    monkeypatch.setattr(publish, "_hubs", {})
    monkeypatch.setattr(publish, "_warned", False)
    with override_settings(CHANNEL_LAYERS={}, SILENCED_SYSTEM_CHECKS=["rest_channels.W003"]):
        Group("lobby").send({"text": "hi"})
    assert not caplog.records


def test_a_process_that_serves_sockets_does_not_warn(monkeypatch, caplog) -> None:
    monkeypatch.setattr(publish, "_hubs", {})
    monkeypatch.setattr(publish, "_warned", False)
    publish.note_serving()
    with override_settings(CHANNEL_LAYERS={}):
        Group("lobby").send({"text": "hi"})
    assert not caplog.records


# Start-up.


async def test_the_first_use_logs_what_check_would_say_once(monkeypatch, caplog) -> None:
    application = SocketApplication([path("x/", Editor)])
    own = FirstUse()
    monkeypatch.setattr(asgi, "application", application)
    monkeypatch.setattr("rest_channels.checks.wiring.first_use", own)
    await own.begin(application)
    await own.begin(application)
    [record] = [each for each in caplog.records if "E021" in each.getMessage()]
    assert record.levelno == logging.ERROR


async def test_the_first_use_logs_nothing_where_check_has_run(monkeypatch, caplog) -> None:
    own = FirstUse()
    monkeypatch.setattr("rest_channels.checks.wiring.first_use", own)
    run_checks()
    await own.begin(SocketApplication([path("x/", Editor)]))
    assert not caplog.records


# Refused clients.


@pytest.fixture
def no_layer(settings):
    settings.CHANNEL_LAYERS = {}


class Restricted(ModelConsumer):
    queryset = User.objects.all()
    permission_classes = [IsAuthenticated]


@pytest.mark.parametrize("consumer", [Restricted, type("Own", (Restricted,), {})])
async def test_a_refused_client_of_a_model_consumer_receives_the_reason(
    consumer, caplog, no_layer
) -> None:
    socket = SocketCommunicator(consumer.as_asgi(), "/ws/users/")
    assert (await socket.connect())[0]
    assert (await socket.receive_json())["response_status"] == 403
    await socket.expect_close(4403)
    [record] = [each for each in caplog.records if each.name == "rest_channels"]
    for part in (consumer.__name__, "127.0.0.1", "user None", "/ws/users/", "permission"):
        assert part in record.getMessage()
    await socket.disconnect()


async def test_a_view_that_refuses_a_client_is_logged_too(caplog, no_layer) -> None:
    class Closed(SocketView):
        permission_classes = [IsAuthenticated]

    socket = SocketCommunicator(Closed.as_asgi())
    assert (await socket.connect())[0]
    await socket.expect_close(4401)
    await socket.disconnect()
    assert "Closed refused the client 127.0.0.1" in caplog.text


async def test_a_class_of_djangochannelsrestframework_rejects_the_handshake_and_logs_it(
    caplog, no_layer
) -> None:
    class Closed(AsyncAPIConsumer):
        permission_classes = [IsAuthenticated]

    socket = SocketCommunicator(Closed.as_asgi())
    assert not (await socket.connect())[0]
    assert "Closed refused the client 127.0.0.1" in caplog.text
    await socket.disconnect()


@pytest.mark.parametrize("accepted", [True, False])
async def test_the_setting_decides_for_all_classes(settings, accepted, no_layer) -> None:
    settings.REST_CHANNELS = {"REFUSE_AFTER_ACCEPTING": accepted}
    socket = SocketCommunicator(Restricted.as_asgi())
    assert (await socket.connect())[0] is accepted
    await socket.disconnect()
