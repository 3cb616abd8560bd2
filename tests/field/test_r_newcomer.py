"""Situations of new users: warnings about names that are none of theirs to change."""

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db.models.deletion import Collector
from django.test import override_settings
from django.urls import include as include_urls
from django.urls import path, re_path
from rest_framework import decorators as drf_decorators
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import (
    AsyncAPIConsumer,
    GenericAsyncAPIConsumer,
    ModelConsumer,
    SocketConsumer,
)
from rest_channels.decorators import action, detached
from rest_channels.live import writes
from rest_channels.observer import live_query, model_observer
from rest_channels.routing import SocketApplication
from rest_channels.routing.first_use import first_use
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets import SocketRouter
from tests import asgi
from tests.brokers import LAYERS, layers


@pytest.fixture
def messages(monkeypatch):
    """`messages(routes)` returns what the checks say about a project with these routes."""

    def check(routes):
        monkeypatch.setattr(asgi, "application", SocketApplication(routes))
        monkeypatch.setattr(first_use, "application", None)
        with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], "redis://localhost:1")):
            found = [each for each in run_checks() if each.id.startswith("rest_channels")]
        return [each for each in found if each.id != "rest_channels.W026"]

    return check


def test_an_observer_may_have_a_name_that_is_nearly_that_of_an_action(messages) -> None:
    class Users(ModelConsumer):
        queryset = User.objects.all()
        serializer_class = NoteSerializer
        updates = model_observer(User)

        @model_observer(User)
        async def watch(self, message, **kwargs): ...

    assert messages([path("x/", Users.as_asgi())]) == []


@pytest.mark.parametrize("name", ["last", "batch", "match", "lose", "least"])
def test_a_word_of_few_letters_is_no_typo(messages, name) -> None:
    body = {"queryset": User.objects.all(), "serializer_class": NoteSerializer}
    body |= {name: lambda self: None, "__module__": __name__}
    consumer = type("Own", (ModelConsumer,), body)
    assert messages([path("x/", consumer.as_asgi())]) == []


# Routes and classes.


class Chat(SocketConsumer):
    pass


class Editor(SocketView):
    pass


class NoteSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ("id",)


class Rows(ModelConsumer):
    queryset = User.objects.all()


class Serialized(ModelConsumer):
    serializer_class = NoteSerializer
    model = User


@pytest.mark.parametrize(
    ("entry", "code", "cure"),
    [
        (path(r"^x/$", Chat.as_asgi()), "E024", "re_path("),
        (path(r"x/(?P<pk>\d+)/", Chat.as_asgi()), "E024", "re_path("),
        (re_path(r"^x/<int:pk>/$", Chat.as_asgi()), "E024", "Write path("),
        (path("x/", Rows.as_asgi()), "W025", "serializer_class = "),
        (path("x/", Serialized.as_asgi()), "W025", "queryset = "),
    ],
)
def test_a_route_that_never_works_is_an_error_that_says_what_to_write(
    messages, entry, code, cure
) -> None:
    [message] = messages([entry])
    assert message.id == f"rest_channels.{code}"
    assert cure in message.hint


def test_a_model_consumer_may_have_its_rows_and_its_serializer_from_elsewhere(messages) -> None:
    class Hooks(ModelConsumer):
        def get_queryset(self): ...
        def get_serializer_class(self): ...

    class Own(GenericAsyncAPIConsumer):
        @action()
        def look(self): ...

    class Made(ModelConsumer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.queryset, self.serializer_class = User.objects.all(), NoteSerializer

    given = {"queryset": User.objects.all(), "serializer_class": NoteSerializer}
    assert messages([
        path("a/", Hooks.as_asgi()),
        path("b/", Own.as_asgi()),
        path("c/", Made.as_asgi()),
        path("d/", ModelConsumer.as_asgi(**given)),
    ]) == []  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), [("on_message", "receive"), ("on_connect", "connect")])
def test_an_event_of_another_framework_is_reported_with_its_name_here(
    messages, name, meant
) -> None:
    view = type("Own", (SocketView,), {name: lambda self, request: None, "__module__": __name__})
    [message] = messages([path("x/", view.as_asgi())])
    assert message.id == "rest_channels.W024"
    assert repr(meant) in message.msg


class Urls:
    urlpatterns = [path("a/", include_urls([path("ws/", Editor.as_asgi())]))]


def test_a_socket_in_urls_py_is_an_error(messages, settings) -> None:
    settings.ROOT_URLCONF = Urls
    [message] = messages([])
    assert message.id == "rest_channels.E028"
    assert "Editor" in message.msg


def test_a_wsgi_application_serves_no_sockets(monkeypatch) -> None:
    monkeypatch.setattr(asgi, "application", get_wsgi_application())
    assert found() == ["rest_channels.W021"]


def test_the_http_application_may_be_the_second_argument() -> None:
    http = get_asgi_application()
    assert SocketApplication([], http).http is http
    with pytest.raises(ImproperlyConfigured, match=r"write get_asgi_application\(\)"):
        SocketApplication(http, "notes.live")


# Modules that other processes do not import.


def observer_messages(monkeypatch, *consumers):
    routes = [path(f"{number}/", each.as_asgi()) for number, each in enumerate(consumers)]
    monkeypatch.setattr(asgi, "application", SocketApplication(routes))
    monkeypatch.setattr(first_use, "application", None)
    return found()


def test_observers_that_a_shell_does_not_import_are_reported(monkeypatch) -> None:
    class Late(ModelConsumer):
        queryset, serializer_class = User.objects.all(), NoteSerializer

    class Watching(SocketConsumer):
        pass

    class Other(AsyncAPIConsumer):
        users = model_observer(User)

    assert observer_messages(monkeypatch, Late, Watching, Other) == ["rest_channels.W026"] * 2


def test_live_lists_that_a_shell_does_not_import_are_reported(monkeypatch) -> None:
    class Desk(AsyncAPIConsumer):
        @live_query(serializer_class=NoteSerializer)
        def everyone(self):
            return User.objects.all()

    monkeypatch.setattr(writes, "_captures_everywhere", False)
    assert observer_messages(monkeypatch, Desk) == ["rest_channels.W026"]
    monkeypatch.setattr(writes, "_captures_everywhere", True)
    assert observer_messages(monkeypatch, Desk) == []


def test_live_lists_are_known_everywhere_if_apps_import_them(monkeypatch) -> None:
    monkeypatch.setattr(Collector, "delete", Collector.delete)  # it is replaced below
    for is_ready in (True, False):
        monkeypatch.setattr(writes, "_captures", False)
        monkeypatch.setattr(apps, "ready", is_ready)
        writes.capture_writes()
        assert writes.captures_everywhere() is not is_ready


def test_observers_that_every_process_imports_are_not_reported(monkeypatch) -> None:
    with monkeypatch.context() as loading:
        loading.setattr(apps, "ready", False)

        class Early(ModelConsumer):
            queryset, serializer_class = User.objects.all(), NoteSerializer

    assert observer_messages(monkeypatch, Early) == []


# Decorators.


def drf_action():
    @drf_decorators.action(detail=True)
    def shout(self, pk): ...

    return shout


def dcrf_action():
    async def shout(self, pk): ...

    shout.action, shout.kwargs = True, {}
    return shout


@pytest.mark.parametrize("shout", [drf_action(), dcrf_action()])
def test_an_action_of_another_package_is_an_error(shout) -> None:
    with pytest.raises(TypeError, match=r"rest_channels\.decorators"):
        type("Own", (ModelConsumer,), {"shout": shout})


@pytest.mark.parametrize(
    "decorate",
    [detached, *(getattr(SocketRouter(), name) for name in ("connect", "disconnect", "gap"))],
)
def test_parentheses_that_a_decorator_does_not_have_are_an_error(decorate) -> None:
    with pytest.raises(TypeError, match="without parentheses"):
        decorate()


# Settings.


REACHING = layers(LAYERS[1], "redis://localhost:1")


def found(**settings):
    with override_settings(**{"CHANNEL_LAYERS": REACHING, **settings}):
        return [each.id for each in run_checks() if each.id.startswith("rest_channels")]


@pytest.mark.parametrize("name", ["REST_CHANNEL", "REST_CHANELS", "REST_CHANNELS_BEAT"])
def test_a_setting_with_another_name_is_an_error(name) -> None:
    assert found(**{name: {"BEAT": 5}}) == ["rest_channels.E010"]


@override_settings(REST_CHANNELS_OF_OUR_OWN=True)
def test_a_setting_of_the_project_may_begin_with_the_name() -> None:
    assert found() == []


@pytest.mark.parametrize(
    "origin", ["localhost:5173", "http://localhost:5173/", "http://a/b", "null", ""]
)
def test_an_allowed_origin_that_no_page_has_is_an_error(origin) -> None:
    assert found(REST_CHANNELS={"ALLOWED_ORIGINS": [origin]}) == ["rest_channels.E012"]


@pytest.mark.parametrize("origin", ["capacitor://localhost", "https://*.a.example", "*"])
def test_apps_and_wildcards_are_allowed_origins(origin) -> None:
    assert found(REST_CHANNELS={"ALLOWED_ORIGINS": [origin]}) == []


@pytest.mark.parametrize("layers", [{"redis": {}}, {"BACKEND": "x"}])
def test_channel_layers_without_a_default_are_an_error(layers) -> None:
    assert "rest_channels.E002" in found(CHANNEL_LAYERS=layers)


# What servers log.


async def refused(application, **headers):
    socket = SocketCommunicator(application, "/ws/", headers=headers)
    assert not (await socket.connect())[0]
    await socket.disconnect()


async def test_a_refused_origin_is_logged_with_that_of_the_site_and_the_setting(caplog) -> None:
    await refused(SocketApplication([]), origin="http://localhost:5173")
    [line] = caplog.messages
    for part in ("http://localhost:5173", "/ws/", "http://testserver", "ALLOWED_ORIGINS"):
        assert part in line


async def test_a_refused_origin_cannot_forge_or_lengthen_a_line(caplog) -> None:
    await refused(SocketApplication([]), origin="http://a\r\nERROR forged" + 8000 * "x")
    assert len(caplog.text.splitlines()) == 1
    assert len(caplog.text) < 1000


async def test_an_app_may_connect_from_its_allowed_origin(settings) -> None:
    settings.REST_CHANNELS = {"ALLOWED_ORIGINS": ["capacitor://localhost"]}
    application = SocketApplication([path("ws/", Editor.as_asgi())])
    headers = {"origin": "capacitor://localhost"}
    async with SocketCommunicator(application, "/ws/", headers=headers) as socket:
        await socket.expect_nothing()
    await refused(application, origin="capacitor://other")


class Answering(SocketView):
    def receive(self, request):
        return {"title": "milk"}


class AnsweringConsumer(SocketConsumer):
    async def receive_json(self, content):
        return {"title": "milk"}


class Refusing(SocketView):
    def connect(self, request):
        return False


@pytest.mark.parametrize(
    ("cls", "part"),
    [
        (Answering, "call self.send_json"),
        (AnsweringConsumer, "call self.send_json"),
        (Refusing, "raise PermissionDenied"),
    ],
)
async def test_a_returned_value_that_nothing_sends_is_logged(cls, part, caplog) -> None:
    async with SocketCommunicator(cls.as_asgi()) as socket:
        await socket.send_json({})
        await socket.send_json({"$ping": 1})
        await socket.expect_event()
    assert part.lower() in caplog.text.lower()


async def test_a_handler_may_return_what_a_sending_method_returns(caplog) -> None:
    class Echo(SocketView):
        def receive(self, request):
            return self.send_json(request.data)

    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_json({"a": 1})
        await socket.expect_event(a=1)
    assert not caplog.records
