"""The language and the time zone that are active in the handlers of a connection."""

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


def scope(*headers, **values):
    return {"type": "websocket", "path": "/", "headers": list(headers), **values}


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
def test_the_locale_has_the_language_that_the_browser_prefers(header, language) -> None:
    assert locale_of(scope((b"accept-language", header))) == (language, None)


def test_the_language_cookie_comes_before_the_accept_language_header() -> None:
    headers = [(b"accept-language", b"de"), (b"cookie", b"django_language=fr")]
    assert locale_of(scope(*headers)).language == "fr"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (b"accept-language", [b"tlh", b"de"]),
        (b"cookie", [b"a=1", b"django_language=de; b=2"]),
    ],
)
def test_a_client_may_name_its_language_in_the_second_of_two_headers(name, values) -> None:
    assert locale_of(scope(*((name, value) for value in values))).language == "de"


def test_a_handshake_without_preferences_has_no_locale() -> None:
    assert locale_of(scope()) is None
    assert locale_of({"type": "websocket", "path": "/"}) is None


@override_settings(USE_I18N=False)
def test_a_project_without_translation_ignores_the_language_of_the_browser() -> None:
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
def test_a_malformed_header_never_breaks_the_handshake(header, name) -> None:
    value = b"django_language=" + header if name == b"cookie" else header
    assert locale_of(scope((name, value))).language in {"en", "de"}


def test_the_locale_has_the_time_zone_of_the_session() -> None:
    assert locale_of(scope(time_zone="Asia/Tokyo")) == (None, ZoneInfo("Asia/Tokyo"))


def test_a_locale_without_values_changes_nothing() -> None:
    with translation.override("fr"), timezone.override("Asia/Tokyo"):
        Locale(None, None).activate()
        assert translation.get_language() == "fr"
        assert timezone.get_current_timezone_name() == "Asia/Tokyo"


class LocaleView(SocketView):
    def connect(self, request):
        self.send_locale()

    def send_locale(self):
        self.send_json([translation.get_language(), timezone.get_current_timezone_name()])


class Sync(LocaleView):
    def receive(self, request):
        self.send_locale()
        translation.activate("fr")
        timezone.activate("Europe/Paris")


class Async(LocaleView):
    async def receive(self, request):
        self.send_locale()
        translation.activate("fr")
        timezone.activate("Europe/Paris")


@pytest.mark.parametrize("view", [Sync, Async])
async def test_every_call_has_the_locale_of_the_client_even_if_another_was_active(view) -> None:
    communicator = SocketCommunicator(view.as_asgi(), headers=[("accept-language", "de")])
    communicator.scope["time_zone"] = "Asia/Tokyo"
    async with communicator as socket:
        await socket.expect_event(["de", "Asia/Tokyo"])
        for _time in range(3):
            await socket.send_json(None)
            await socket.expect_event(["de", "Asia/Tokyo"])
    assert (translation.get_language(), timezone.get_current_timezone_name()) == ("en", "UTC")


async def test_each_connection_has_its_own_locale() -> None:
    german = SocketCommunicator(Sync.as_asgi(), headers=[("accept-language", "de")])
    french = SocketCommunicator(Sync.as_asgi(), headers=[("accept-language", "fr")])
    async with german, french:
        await german.expect_event(["de", "UTC"])
        await french.expect_event(["fr", "UTC"])
        for socket, language in ((german, "de"), (french, "fr"), (german, "de")):
            await socket.send_json(None)
            await socket.expect_event([language, "UTC"])


async def test_clients_receive_errors_in_their_language() -> None:
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
async def test_an_invalid_time_zone_in_the_session_does_not_close_the_connection(zone) -> None:
    """A form may have written it there, as in the example of Django's documentation."""
    communicator = SocketCommunicator(Sync.as_asgi())
    communicator.scope["time_zone"] = zone
    async with communicator as socket:
        await socket.expect_event(["en", "UTC"])
