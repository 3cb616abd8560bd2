"""The three dialects: how a frame names its handler, and how an answer is dressed.

An envelope is an object of four short methods and no state. `open` reads what a parser made of a
frame; `close` makes what a renderer will put into one. Facts: the README files of
djangochannelsrestframework (action), django-channels-router (type) and rest_channels (method).
"""

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError, ValidationError

from ..exceptions import ActionMissingException, HandlerNotFound
from ..settings import api_settings
from .messages import Call, Reply

__all__ = [
    "ActionDialect",
    "Dialect",
    "MethodDialect",
    "PlainDialect",
    "TypeDialect",
    "with_timestamp",
]


class Dialect(Protocol):
    """A dialect."""

    def parse_call(self, content: Any) -> Call:
        """Parsed frame → `Call`. Raises `ParseError` for what is no object."""

    def handler_not_found(self, call: Call) -> APIException:
        """The refusal for a call whose name leads to no handler."""

    def build_reply(self, reply: Reply) -> Any:
        """`Reply` → what a renderer takes."""


_new = tuple.__new__  # a NamedTuple's own constructor makes a detour through Python


class _NamedDialect:
    """Dialects whose frames are objects that name a handler under `key`."""

    key: ClassVar[str]

    def parse_call(self, content: Any) -> Call:
        if not isinstance(content, dict):
            raise ParseError(_("A frame must hold a JSON object."))
        name = content.get(self.key)
        if type(name) is not str or not 0 < len(name) <= api_settings.MAX_NAME_LENGTH:
            name = None
        return _new(Call, (name, self.call_data(content), content.get("request_id")))

    def call_data(self, content: dict[str, Any]) -> Any:
        """What the handler gets of the frame: all of it."""
        return content


class ActionDialect(_NamedDialect):
    """`{"action", "request_id", …}` → the same two, `errors`, `data` and `response_status`."""

    key = "action"

    def handler_not_found(self, call: Call) -> APIException:
        if self.key not in call.data:
            return ActionMissingException()
        return HandlerNotFound(call.data[self.key])

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        call, data, status, errors = reply
        listed = [] if errors is None else _as_list(errors)
        return self.build_content(call.name, data, status, call.request_id, listed)

    def build_content(
        self, name: str | None, data: Any, status: int, request_id: Any, errors: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """What `close` makes, without the records: every answer to an action passes here."""
        return {
            "errors": errors,
            "data": data,
            "action": name,
            "response_status": status,
            "request_id": request_id,
        }


class MethodDialect(_NamedDialect):
    """`{"method", "data"}` → `{"method", "data", "status"}`; a `request_id` comes back if given."""

    key = "method"

    def call_data(self, content: dict[str, Any]) -> Any:
        return content.get("data")

    def handler_not_found(self, call: Call) -> APIException:
        if call.name is None:
            limit = api_settings.MAX_NAME_LENGTH
            message = _("Name the method to call, as text of 1 to %d characters.")
            return ValidationError({"method": [message % limit]})
        return ValidationError({"method": [_("Unknown method: %s") % call.name]})

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        call, data, status, errors = reply
        if errors is not None:
            data = _as_object(errors)
        content = {"method": call.name, "data": data, "status": status}
        if call.request_id is not None:
            content["request_id"] = call.request_id
        return content


def with_timestamp(content: dict[str, Any]) -> dict[str, Any]:
    """A copy of a message of the type dialect that says when it was sent. Raises `TypeError`."""
    if not isinstance(content, dict):
        raise TypeError(f"A message is a dict, not {type(content).__name__}: {content!r}.")
    return {**content, "TIMESTAMP": str(time.time_ns() // 1_000_000)}


class TypeDialect(_NamedDialect):
    """`{"type", …}` → `{…, "type", "TIMESTAMP"}`, the time in milliseconds since 1970 as text."""

    key = "type"

    def handler_not_found(self, call: Call) -> APIException:
        name = str(call.data.get(self.key))[:64]
        return HandlerNotFound(call.name, _("Unknown action: %s") % name)

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        content = reply.data or {} if reply.errors is None else self._error(reply.errors)
        return _with_request_id(with_timestamp(content), reply)

    @staticmethod
    def _error(errors: Any) -> dict[str, Any]:
        listed, details = _as_list(errors), errors
        if isinstance(errors, dict) and errors.keys() == {"detail", "traceback"}:
            listed, details = [errors["detail"]], errors["traceback"]
        elif isinstance(errors, list) and len(errors) == 1:
            details = errors[0]
        elif isinstance(errors, list | dict):
            details = _("Invalid message.")
        return {"type": "ERROR", "success": False, "errors": listed, "details": details}


class PlainDialect:
    """No dialect: a `SocketView` reads what it likes. Only refusals have a shape.

    They are the exception's detail (an object as it is, else `{"detail": …}`) and `"status"`.
    """

    def parse_call(self, content: Any) -> Call:
        request_id = content.get("request_id") if isinstance(content, dict) else None
        return Call(None, content, request_id)

    def handler_not_found(self, call: Call) -> APIException:
        return HandlerNotFound(call.name)

    def build_reply(self, reply: Reply) -> Any:
        if reply.errors is None:
            return reply.data
        return _with_request_id({**_as_object(reply.errors), "status": reply.status}, reply)


def _as_list(errors: Any) -> list[Any]:
    return errors if isinstance(errors, list) else [errors]


def _as_object(errors: Any) -> dict[str, Any]:
    if isinstance(errors, dict):
        return errors
    key = api_settings.NON_FIELD_ERRORS_KEY if isinstance(errors, list) else "detail"
    return {key: errors}


def _with_request_id(content: dict[str, Any], reply: Reply) -> dict[str, Any]:
    if reply.call.request_id is not None:
        content["request_id"] = reply.call.request_id
    return content
