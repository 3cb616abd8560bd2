"""Checks whether a client may open the console."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings as drf_settings

from ..concurrency.execution import await_in_thread
from ..dispatch.view_permissions import evaluate
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
    try:
        permitted = _is_permitted(request)
    except (APIException, PermissionDenied) as error:  # such as a wrong token
        raise Http404 from error
    if not permitted:
        raise Http404


def _is_permitted(request: HttpRequest) -> bool:
    classes: Any = drf_settings.DEFAULT_AUTHENTICATION_CLASSES
    shown: Any = Request(request, authenticators=[each() for each in classes])

    def has_permission(permission: Any) -> bool:
        return bool(await_in_thread(permission.has_permission(shown, None)))

    classes = api_settings.CONSOLE_PERMISSION_CLASSES
    return all(evaluate(each(), has_permission) for each in classes)
