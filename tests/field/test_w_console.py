"""Who may open the console: each permission class counts, and others get a 404."""

import base64
import logging

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404
from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated

from rest_channels.checks import check_settings
from rest_channels.permissions import BasePermission, IsAuthenticated
from rest_channels.settings import api_settings
from tests.console.test_pages import HTML, get, project

__all__ = ["project"]

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = ["/table/", "/sockets/"]


class IsNobody(BasePermission):
    """A permission for consumers, whose coroutine DRF would take for true."""

    async def has_permission(self, scope, consumer, **kwargs):
        return False


class IsNobodyHere(drf.BasePermission):
    """A permission for requests that awaits something."""

    async def has_permission(self, request, view):
        return False


class Raises(drf.BasePermission):
    error: Exception

    def has_permission(self, request, view):
        raise self.error


FOR_CONSUMERS = {
    "async": IsNobody,
    "of the library": IsAuthenticated,
    "and": IsNobody & drf.AllowAny,
    "not": drf.AllowAny | ~IsNobody,
}


@pytest.mark.parametrize("written", FOR_CONSUMERS.values(), ids=FOR_CONSUMERS)
def test_a_permission_for_consumers_is_refused(settings, written) -> None:
    settings.REST_CHANNELS = {"CONSOLE_PERMISSION_CLASSES": [drf.AllowAny, written]}
    with pytest.raises(ImproperlyConfigured, match=r"is for consumers: write a class of rest_fr"):
        _ = api_settings.CONSOLE_PERMISSION_CLASSES
    (message,) = check_settings(None)
    assert message.id == "rest_channels.E001"


@pytest.mark.parametrize(
    ("written", "error"),
    [(drf.IsAdminUser(), "without parentheses"), (dict, "has no has_permission")],
)
def test_what_is_no_permission_class_is_refused(settings, written, error) -> None:
    settings.REST_CHANNELS = {"CONSOLE_PERMISSION_CLASSES": [written]}
    with pytest.raises(ImproperlyConfigured, match=error):
        _ = api_settings.CONSOLE_PERMISSION_CLASSES


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("written", [IsNobodyHere, IsNobodyHere & drf.AllowAny])
async def test_a_permission_that_awaits_guards_the_console(settings, written, path) -> None:
    settings.DEBUG = False
    settings.REST_CHANNELS = {"CONSOLE_PERMISSION_CLASSES": [written]}
    assert (await get(path))[0] == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("error", [NotAuthenticated(), PermissionDenied(), Http404()])
async def test_a_permission_that_raises_shows_no_console(settings, caplog, error, path) -> None:
    settings.DEBUG = False
    written = type("Written", (Raises,), {"error": error})
    settings.REST_CHANNELS = {"CONSOLE_PERMISSION_CLASSES": [written]}
    assert (await get(path))[0] == 404
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("path", PATHS)
async def test_wrong_credentials_reveal_no_console_and_log_no_error(settings, caplog, path) -> None:
    settings.DEBUG = False
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"]
    }
    credentials = base64.b64encode(b"ada:wrong")
    status, _headers, _text = await get(path, [*HTML, (b"authorization", b"Basic " + credentials)])
    assert status == 404
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
