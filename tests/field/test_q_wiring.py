"""Settings, applications and apps that cannot work are refused early, with what to write."""

import pytest
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from rest_framework.parsers import JSONParser

from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.pagination import WebsocketCursorPagination, WebsocketLimitOffsetPagination
from rest_channels.routing import SocketApplication
from rest_channels.views import SocketView

from .scripts import run_script


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("DEFAULT_TEXT_PARSER_CLASS", "rest_framework.parsers.JSONParser", "reads streams"),
        ("CHANNEL_SESSION_ENGINE", "django.contrib.sessions.backends.dbs", "backends.dbs"),
        ("CHANNEL_SESSION_ENGINE", "django.contrib.sessions", "SessionStore"),
    ],
)
def test_a_setting_that_could_never_work_is_an_error_of_the_checks(key, value, advice) -> None:
    with override_settings(REST_CHANNELS={key: value}):
        checked = run_checks(tags=["rest_channels"])
    found = [each.msg for each in checked if each.id == "rest_channels.E001"]
    assert len(found) == 1
    assert advice in found[0]


def origin_messages(origin):
    with override_settings(REST_CHANNELS={"ALLOWED_ORIGINS": [origin]}):
        return [each for each in run_checks() if each.id == "rest_channels.E012"]


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("a.example", "https://a.example"),
        ("//a.example", "https://a.example"),
        ("http://a.example/", "http://a.example"),
        ("https://a.example/app", "https://a.example"),
        (".a.example", "https://*.a.example"),
        ("", "https://example.com"),
    ],
)
def test_an_origin_that_no_page_has_is_an_error_of_the_checks(written, right) -> None:
    (message,) = origin_messages(written)
    assert repr(written) in message.msg
    assert f"Write {right!r}" in message.hint


@pytest.mark.parametrize(
    "origin",
    ["*", "https://a.example", "http://*.a.example:8000", "HTTPS://A.example", "http://[::1]:8000"],
)
def test_an_origin_that_a_page_may_have_is_accepted(origin) -> None:
    assert origin_messages(origin) == []


def test_a_view_refuses_a_parser_of_drf() -> None:
    with pytest.raises(TypeError, match=r"reads streams: derive it from rest_channels\.parsers"):
        type("Desk", (SocketView,), {"text_parser_class": JSONParser, "__module__": __name__})


def test_a_streamed_list_refuses_pages_that_it_cannot_stream() -> None:
    bases = (StreamedPaginatedListMixin, GenericAsyncAPIConsumer)
    for pages in (WebsocketLimitOffsetPagination, None):
        type("Desk", bases, {"pagination_class": pages, "__module__": __name__})
    attributes = {"pagination_class": WebsocketCursorPagination, "__module__": __name__}
    with pytest.raises(TypeError, match=r"Desk\.pagination_class .* limit and offset"):
        type("Desk", bases, attributes)


@pytest.mark.parametrize(
    "http",
    [get_asgi_application, get_wsgi_application, get_wsgi_application()],
    ids=["a function", "another function", "WSGI"],
)
def test_a_site_refuses_what_cannot_serve_asgi(http) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"write get_asgi_application\(\)"):
        SocketApplication([], http=http)


def test_a_site_takes_each_application_of_asgi() -> None:
    SocketApplication([], http=get_asgi_application())
    SocketApplication([], http=ProtocolTypeRouter({"http": get_asgi_application()}))
    SocketApplication([], http=SocketApplication([]))


SETTINGS = """
import sys, django
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=[*sys.argv[1:], "django.contrib.contenttypes", "rest_channels", "sockets"],
)
try:
    django.setup()
except django.core.exceptions.ImproperlyConfigured as error:
    print(error)
"""


@pytest.mark.programs
@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        ("django.contrib.auth", "django.contrib.sessions"),
        ("django.contrib.sessions", "django.contrib.auth"),
    ],
)
def test_the_app_sockets_says_which_app_it_needs(installed, missing) -> None:
    printed = run_script(SETTINGS, installed)
    assert printed.startswith(f"The app 'sockets' needs {missing!r} in INSTALLED_APPS")
