"""The table of attributes, methods and options is complete, and its probes exist."""

import re
from inspect import signature
from pathlib import Path

import pytest
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.generic import websocket
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.dispatch import Signal
from django.test import override_settings
from rest_framework import decorators as drf_decorators
from rest_framework import generics, views, viewsets
from rest_framework.filters import SearchFilter
from rest_framework.serializers import Serializer
from rest_framework.throttling import ScopedRateThrottle

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.declarations.unsupported import (
    ACTION_OPTIONS,
    ATTRIBUTES,
    METHODS,
    OPTIONS,
)
from rest_channels.declarations.values import VALUES
from rest_channels.decorators import action, socket_route
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.observer import live_query, model_observer, observer
from rest_channels.parsers import MessagePackParser
from rest_channels.protocol.dialects import MethodDialect
from rest_channels.renderers import MessagePackRenderer
from rest_channels.settings import Setting, Settings
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from scripts.print_attributes import PAGE, written
from sockets.handlers import RoutedSocketHandler

from .attributes import (
    CLASSES,
    DCRF,
    HONOURED,
    HONOURED_OPTIONS,
    NOT_DECLARED,
    honours,
    page,
    public_names,
    settable,
)

ROOT = Path(__file__).parents[2]
ALL = (*CLASSES, StreamedPaginatedListMixin)

CHANNELS = (AsyncConsumer, SyncConsumer, websocket.AsyncJsonWebsocketConsumer)
DRF = (views.APIView, generics.GenericAPIView, viewsets.ViewSet, viewsets.ModelViewSet)
NAMES = public_names(*CHANNELS, websocket.JsonWebsocketConsumer, *DRF)
NAMES |= dict.fromkeys(DCRF["attributes"], False) | dict.fromkeys(DCRF["methods"], True)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_of_other_packages_is_honoured_or_refused(name) -> None:
    declared = any(hasattr(cls, name) for cls in ALL)
    assert declared or name in {**ATTRIBUTES, **METHODS, **NOT_DECLARED}


@pytest.mark.parametrize("name", [*VALUES, *(name for name in ATTRIBUTES if name not in VALUES)])
def test_an_attribute_that_some_class_honours_has_a_probe(name) -> None:
    of_mixins = {"live_limit", "sleep_time_between_pages"}
    is_honoured = any(honours(cls, name) for cls in CLASSES) or name in of_mixins
    assert is_honoured == (name in HONOURED)


@pytest.mark.parametrize("name", HONOURED)
def test_a_probe_is_a_test_that_exists(name) -> None:
    path, _, test = HONOURED[name].partition("::")
    assert re.search(rf"def {test}\(", (ROOT / path).read_text())


@pytest.mark.parametrize("name", [*ATTRIBUTES, *METHODS])
def test_a_refusal_says_what_to_write(name) -> None:
    advice = {**ATTRIBUTES, **METHODS}[name]
    assert len(advice) > 15
    refusing = [cls for cls in CLASSES if not honours(cls, name)]
    assert refusing


def test_every_option_of_drfs_action_is_honoured_or_refused() -> None:
    known = {"name", "detail", *ACTION_OPTIONS, *OPTIONS["@action"]}
    assert signature(drf_decorators.action).parameters.keys() - {"kwargs"} <= known
    assert {
        name for name in public_names(views.APIView) if name.endswith(("_classes", "_class"))
    } <= known


def observer_of_a_signal(**options):
    return observer(Signal(), **options)


def observer_of_users(**options):
    return model_observer(User, **options)


def live_query_of_users(**options):
    return live_query(**{"serializer_class": Serializer, **options})


DECORATORS = {
    "@action": action,
    "@socket_route": socket_route,
    "@observer": observer_of_a_signal,
    "@model_observer": observer_of_users,
    "@live_query": live_query_of_users,
}


@pytest.mark.parametrize(
    ("decorator", "option"), [(name, option) for name, each in OPTIONS.items() for option in each]
)
def test_an_option_without_effect_is_a_type_error_that_says_what_to_write(
    decorator, option
) -> None:
    text = f"{decorator} has no option {option!r}: {OPTIONS[decorator][option]}."
    with pytest.raises(TypeError, match=re.escape(text)):
        DECORATORS[decorator](**{option: None})


@pytest.mark.parametrize(
    "decorator", ["@socket_route", "@observer", "@model_observer", "@live_query"]
)
def test_an_unknown_option_is_a_type_error_that_names_the_known_ones(decorator) -> None:
    known = ", ".join(HONOURED_OPTIONS[decorator])
    with pytest.raises(TypeError, match=f"{decorator} has no option 'colour': it takes {known}"):
        DECORATORS[decorator](colour="red")


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("cls", CLASSES)
def test_as_asgi_takes_an_attribute_or_says_that_it_does_not(cls, name) -> None:
    if settable(cls, name):
        assert hasattr(cls, name)


async def test_options_of_an_observer_are_those_of_the_connect_of_its_signal() -> None:
    signal = Signal()
    first = observer(signal, sender=User, dispatch_uid="uid", weak=False)
    assert observer(signal, sender=User, dispatch_uid="uid", weak=False).signal is first.signal
    assert len(signal.receivers) == 1
    assert not signal.has_listeners(Group)
    assert signal.has_listeners(User)


def test_the_page_has_the_tables() -> None:
    assert PAGE.read_text() == written(PAGE.read_text(), page())


# Probes.


async def test_the_throttle_scope_of_an_action_is_read_by_drf() -> None:
    class Scoped(ScopedRateThrottle):
        THROTTLE_RATES = {"rare": "1/hour"}

    class Desk(AsyncAPIConsumer):
        throttle_classes = [Scoped]

        @action(throttle_scope="rare")
        async def rare(self):
            return None, 200

        @action()
        async def often(self):
            return None, 200

    async with SocketCommunicator(Desk.as_asgi(), dialect="action") as socket:
        answers = []
        for name in ("rare", "rare", "often", "often"):
            await socket.send_json({"action": name})
            answers.append((await socket.receive_json())["response_status"])
    assert answers == [200, 429, 200, 200]


@pytest.mark.django_db(transaction=True)
async def test_an_action_may_set_what_filter_backends_read() -> None:
    class People(GenericAsyncAPIConsumer):
        queryset = User.objects.all()
        filter_backends = [SearchFilter]

        @action(search_fields=["username"])
        def search(self, **kwargs):
            return [row.pk for row in self.filter_queryset(self.get_queryset(), **kwargs)], 200

    ada = await User.objects.acreate(username="ada")
    await User.objects.acreate(username="bob", email="ada@example.com")
    async with SocketCommunicator(People.as_asgi(), dialect="action") as socket:
        await socket.send_json({"action": "search", "query": {"search": "ada"}})
        assert (await socket.receive_json())["data"] == [ada.pk]


async def test_parsers_and_renderers_of_a_view_are_used() -> None:
    class Upper(SocketView):
        text_parser_class = type("Shout", (), {"parse": lambda self, text: text.upper()})
        text_renderer_class = type(
            "Quote", (), {"render": lambda self, data: b"<%s>" % data.encode()}
        )
        bytes_parser_class = MessagePackParser
        bytes_renderer_class = MessagePackRenderer

        def receive(self, request):
            kind = "text" if isinstance(request.data, str) else "bytes"
            self.send(request.reply_channel, request.data, kind)

    async with SocketCommunicator(Upper.as_asgi()) as socket:
        await socket.send_to(text_data="a")
        assert await socket.receive_from() == "<A>"
        await socket.send_to(bytes_data=b"\x81\xa1a\x01")
        assert await socket.receive_from() == b"\x81\xa1a\x01"


async def test_a_dialect_of_a_view_is_used() -> None:
    class Failing(SocketView):
        dialect = MethodDialect()

        def receive(self, request):
            raise KeyError

    async with SocketCommunicator(Failing.as_asgi()) as socket:
        await socket.send_json({"method": "save"})
        assert (await socket.receive_json()).keys() >= {"method", "status"}


def test_http_user_cannot_be_switched_off() -> None:
    with pytest.raises(TypeError, match="http_user = False cannot be switched off"):

        class Table(RoutedSocketHandler):
            http_user = False


# Settings.


@pytest.mark.parametrize(
    "name", [name for name, each in vars(Settings).items() if isinstance(each, Setting)]
)
def test_a_setting_with_a_value_of_a_wrong_type_is_an_error_of_the_checks(name) -> None:
    with override_settings(REST_CHANNELS={name: object()}):
        (message,) = (each for each in run_checks() if each.id == "rest_channels.E001")
    assert name in message.msg


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_FRAME_SIZE", "64 KB"),
        ("MAX_FRAME_SIZE", -1),
        ("MAX_FRAME_SIZE", True),
        ("INBOX_FRAMES", None),
        ("INBOX_FRAMES", 1.5),
        ("MAX_THREADS", 0),
        ("HANDSHAKE_THREADS", 0),
        ("INBOX_FRAMES", 0),
        ("FRAME_BURST", 0),
        ("BEAT", 0),
        ("HANDLER_TIMEOUT", "60"),
        ("HANDLER_TIMEOUT", -1.0),
        ("THREAD_SENSITIVE", "no"),
        ("ALLOWED_ORIGINS", "https://example.com"),
        ("ALLOWED_ORIGINS", [5]),
        ("DEFAULT_PERMISSION_CLASSES", "rest_framework.permissions.IsAuthenticated"),
        ("DEFAULT_PERMISSION_CLASSES", ["rest_framework.throttling.AnonRateThrottle"]),
        ("DEFAULT_THROTTLE_CLASSES", ["rest_framework.permissions.IsAuthenticated"]),
        ("DEFAULT_PAGINATION_CLASS", "rest_framework.pagination.PageNumberPagination"),
        ("EXCEPTION_HANDLER", "rest_channels.settings.SETTING_NAME"),
    ],
)
def test_a_setting_with_a_wrong_value_is_an_error_of_the_checks(name, value) -> None:
    with override_settings(REST_CHANNELS={name: value}):
        (message,) = (each for each in run_checks() if each.id == "rest_channels.E001")
    assert name in message.msg


def test_settings_under_the_old_name_are_an_error_that_names_the_new_one() -> None:
    with override_settings(DJANGO_CHANNELS_REST_API={"PAGE_SIZE": 5}):
        (message,) = (each for each in run_checks() if each.id == "rest_channels.E010")
    assert "'PAGE_SIZE'" in message.hint
    assert "REST_CHANNELS" in message.hint


@pytest.mark.parametrize("name", ["DEFAULT_PERMISSION_CLASSES", "DEFAULT_THROTTLE_CLASSES"])
def test_defaults_of_drf_that_sockets_lack_are_a_warning(name) -> None:
    with override_settings(REST_FRAMEWORK={name: ["shop.Own"]}, REST_CHANNELS={}):
        found = {each.id for each in run_checks()} - {"rest_channels.W003"}
        assert found == {"rest_channels.W010"}
    with override_settings(REST_FRAMEWORK={name: ["shop.Own"]}, REST_CHANNELS={name: []}):
        assert {each.id for each in run_checks()} == {"rest_channels.W003"}
