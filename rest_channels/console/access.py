"""Checks whether a client may open the console."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings as drf_settings

from ..settings import api_settings

__all__ = ["check_access"]


def check_access(request: HttpRequest) -> None:
    """Raise `Http404` for a client that may not open the console: as if there were none.

    With `DEBUG` everyone may, else those whom all classes of `CONSOLE_PERMISSION_CLASSES` permit.
    The user is found as by DRF's views, with its `DEFAULT_AUTHENTICATION_CLASSES`.
    """
    if not api_settings.CONSOLE:
        raise Http404
    if settings.DEBUG:
        return
    classes: Any = drf_settings.DEFAULT_AUTHENTICATION_CLASSES
    authenticators = [each() for each in classes]
    shown: Any = Request(request, authenticators=authenticators)
    permissions = [each() for each in api_settings.CONSOLE_PERMISSION_CLASSES]
    if not all(each.has_permission(shown, None) for each in permissions):
        raise Http404
