"""What a handler returns: the answer to its frame, or an error in the project."""

import logging
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.response import Response

from ..client_logs import log_for_client

__all__ = ["answer_of_response", "check_result", "refuse_http_response"]

logger = logging.getLogger("rest_channels")


def answer_of_response(result: Any, handler: str) -> tuple[Any, int] | None:
    """Return the data and the status of a response of DRF, or `None` for another result.

    Raise `TypeError` for a response of Django, whose content is no data.
    """
    if isinstance(result, Response):
        return result.data, result.status_code
    if isinstance(result, HttpResponseBase):
        raise TypeError(
            f"{handler} returned {result!r}, which a WebSocket cannot send. Return (data, status), "
            "or a Response of DRF."
        )
    return None


def check_result(result: Any, event: str) -> None:
    """Log a result of a handler that was meant to be sent, or to refuse a client: nothing does so.

    Raise `TypeError` for an HTTP response.
    """
    if result is None:
        return
    refuse_http_response(result, event)
    if event == "connect" and isinstance(result, dict | list | tuple | str | bool):
        advice = "has no effect. To refuse a client, raise PermissionDenied"
    elif isinstance(result, dict | list | tuple | str):
        advice = "is not sent. Call self.send_json(…)"
    else:
        return
    text = "The handler of '%s' returned a %s, which %s."
    log_for_client(logger, logging.WARNING, text, event, type(result).__name__, advice)


def refuse_http_response(result: Any, event: str) -> None:
    """Raise `TypeError` if a handler has returned an HTTP response: nothing would send it.

    A decorator of Django's, such as `login_required`, refuses a request in this way.
    """
    if isinstance(result, HttpResponseBase):
        raise TypeError(
            f"The handler of {event!r} returned {result!r}, which a WebSocket cannot send. To "
            "answer a frame, call self.send_json(…). To refuse a client, write permission_classes, "
            "or raise PermissionDenied. Decorators of views, such as login_required, refuse only "
            "HTTP requests."
        )
