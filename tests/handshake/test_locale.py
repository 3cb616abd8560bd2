"""The language and the time zone that a connection's handlers find activated."""

from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy
from rest_framework.permissions import BasePermission

from rest_channels.handshake.locale import Locale, locale_of
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


def scope(*headers, **more):
    return {"type": "websocket", "path": "/", "headers": list(headers), **more}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (b"de", "de"),
        (b"de-AT,de;q=0.9,en;q=0.8", "de"),
        (b"en;q=0.1,fr;q=0.9", "fr"),
        (b"pt-BR", "pt-br"),
        (b"tlh", "en"),
        (b"", "en"),
        (b"*", "en"),
    ],
)
def test_the_language_is_the_one_a_browser_asks_for(header, language) -> None:
    assert locale_of(scope((b"accept-language", header))) == (language, None)


def test_the_languages_cookie_comes_before_the_header() -> None:
    headers = [(b"accept-language", b"de"), (b"cookie", b"django_language=fr")]
    assert locale_of(scope(*headers)).language == "fr"


def test_who_asks_for_nothing_gets_the_projects_own() -> None:
    assert locale_of(scope()) is None
    assert locale_of({"type": "websocket", "path": "/"}) is None


@override_settings(USE_I18N=False)
def test_a_project_without_translation_looks_for_no_language() -> None:
    assert locale_of(scope((b"accept-language", b"de"))) is None


@pytest.mark.parametrize(
    "header",
    [
        b"\xff\xfe",
        b"de" * 5_000,
        b",;q=,;;",
        b"de;q=nan",
        b"x-" * 300,
        b"../../etc",
        b"de\x00",
        b"-",
    ],
)
@pytest.mark.parametrize("name", [b"accept-language", b"cookie"])
def test_no_header_breaks_a_handshake(header, name) -> None:
    given = b"django_language=" + header if name == b"cookie" else header
    assert locale_of(scope((name, given))).language in {"en", "de"}


def test_the_time_zone_is_what_the_session_said() -> None:
    assert locale_of(scope(time_zone="Asia/Tokyo")) == (None, ZoneInfo("Asia/Tokyo"))


def test_a_locale_without_wishes_changes_nothing() -> None:
    with translation.override("fr"), timezone.override("Asia/Tokyo"):
        Locale(None, None).activate()
        assert translation.get_language() == "fr"
        assert timezone.get_current_timezone_name() == "Asia/Tokyo"


class Where(SocketView):
    def connect(self, request):
        self.tell()

    def tell(self):
        self.send_json([translation.get_language(), timezone.get_current_timezone_name()])


class Sync(Where):
    def receive(self, request):
        self.tell()
        translation.activate("fr")
        timezone.activate("Europe/Paris")


class Async(Where):
    async def receive(self, request):
        self.tell()
        translation.activate("fr")
        timezone.activate("Europe/Paris")


@pytest.mark.parametrize("view", [Sync, Async])
async def test_every_call_finds_the_clients_locale_whatever_the_last_one_activated(view) -> None:
    communicator = SocketCommunicator(view.as_asgi(), headers=[("accept-language", "de")])
    communicator.scope["time_zone"] = "Asia/Tokyo"
    async with communicator as socket:
        await socket.expect_event(["de", "Asia/Tokyo"])
        for _time in range(3):
            await socket.send_json(None)
            await socket.expect_event(["de", "Asia/Tokyo"])
    assert (translation.get_language(), timezone.get_current_timezone_name()) == ("en", "UTC")


async def test_two_connections_have_a_locale_each() -> None:
    german = SocketCommunicator(Sync.as_asgi(), headers=[("accept-language", "de")])
    french = SocketCommunicator(Sync.as_asgi(), headers=[("accept-language", "fr")])
    async with german, french:
        await german.expect_event(["de", "UTC"])
        await french.expect_event(["fr", "UTC"])
        for socket, language in ((german, "de"), (french, "fr"), (german, "de")):
            await socket.send_json(None)
            await socket.expect_event([language, "UTC"])


async def test_refusals_are_in_the_clients_language() -> None:
    class Monday(BasePermission):
        message = gettext_lazy("Monday")

        def has_permission(self, request, view):
            return request.event == "connect"

    user = SimpleNamespace(is_authenticated=True)
    headers = [("accept-language", "de")]
    app = Sync.as_asgi(permission_classes=[Monday])
    async with SocketCommunicator(app, user=user, headers=headers) as socket:
        await socket.expect_event(["de", "UTC"])
        await socket.send_json(None)
        await socket.expect_event({"detail": "Montag", "status": 403})


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "a\x00b", 5, []]
)
async def test_a_time_zone_that_is_none_costs_nobody_the_connection(zone) -> None:
    """The session often has what a form sent, as in the example of Django's documentation."""
    communicator = SocketCommunicator(Sync.as_asgi())
    communicator.scope["time_zone"] = zone
    async with communicator as socket:
        await socket.expect_event(["en", "UTC"])
