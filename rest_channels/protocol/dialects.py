"""The dialects: how a frame names its handler, and the JSON objects of the answers.

`parse_call` gets what a parser returned. What `build_reply` returns goes to a renderer.
Source: the README files of djangochannelsrestframework (action), django-channels-router (type)
and rest_channels (method).
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
    """The methods of a dialect. That of a `SocketView` needs only `build_reply`."""

    def parse_call(self, content: Any) -> Call:
        """Return the call that a parsed frame makes. Raise `ParseError` if it is no object."""

    def handler_not_found(self, call: Call) -> APIException:
        """Return the error for a call that names no known handler."""

    def build_reply(self, reply: Reply) -> Any:
        """Return the content of the answer, for a renderer."""


_new_tuple = tuple.__new__  # faster: a NamedTuple's own constructor is a Python function


class _NamedDialect:
    """A dialect whose frames are objects that name the handler under `key`."""

    key: ClassVar[str]
    data_key: ClassVar[str | None] = None
    """The key of what the handler gets; `None`: it gets the whole frame."""

    def parse_call(self, content: Any) -> Call:
        if not isinstance(content, dict):
            raise ParseError(_("A frame must hold a JSON object."))
        name = content.get(self.key)
        if type(name) is not str or not 0 < len(name) <= api_settings.MAX_NAME_LENGTH:
            name = None
        data = content if self.data_key is None else content.get(self.data_key)
        return _new_tuple(Call, (name, data, content.get("request_id")))

    def content_of(self, call: Call) -> dict[str, Any]:
        """Return the frame that made `call`, or only its name if the handler gets a part of it."""
        if self.data_key is None:
            return call.data  # type: ignore[no-any-return]
        return {} if call.name is None else {self.key: call.name}


class ActionDialect(_NamedDialect):
    """Frames name an `action`; answers repeat it, with `errors`, `data` and `response_status`."""

    key = "action"

    def handler_not_found(self, call: Call) -> APIException:
        content = self.content_of(call)
        if self.key not in content:
            return ActionMissingException()
        return HandlerNotFound(content[self.key])

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        call, data, status, errors = reply
        error_list = [] if errors is None else _as_list(errors)
        return self.build_content(call.name, data, status, call.request_id, error_list)

    def build_content(
        self, name: str | None, data: Any, status: int, request_id: Any, errors: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """Return what `build_reply` returns. Without a `Reply` it takes actions less time."""
        return {
            "errors": errors,
            "data": data,
            "action": name,
            "response_status": status,
            "request_id": request_id,
        }


class MethodDialect(_NamedDialect):
    """Frames are `{"method", "data"}`, answers `{"method", "data", "status"}`."""

    key = "method"
    data_key = "data"

    def handler_not_found(self, call: Call) -> APIException:
        if call.name is None:
            message = _("Name the method to call, as text of 1 to %d characters.")
            return ValidationError({"method": [message % api_settings.MAX_NAME_LENGTH]})
        return ValidationError({"method": [_("Unknown method: %s") % call.name]})

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        call, data, status, errors = reply
        return self.build_content(call, data if errors is None else _as_object(errors), status)

    def build_content(self, call: Call, data: Any, status: int) -> dict[str, Any]:
        """Return what `build_reply` returns. Without a `Reply` it takes views less time."""
        name, _data, request_id = call
        if request_id is None:
            return {"method": name, "data": data, "status": status}
        return {"method": name, "data": data, "status": status, "request_id": request_id}


def with_timestamp(content: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the dict `content` with `TIMESTAMP`, in milliseconds since 1970 as text."""
    if not isinstance(content, dict):
        raise TypeError(f"A message is a dict, not {type(content).__name__}: {content!r}.")
    return {**content, "TIMESTAMP": str(time.time_ns() // 1_000_000)}


class TypeDialect(_NamedDialect):
    """Frames are `{"type", …}`, answers too, with a `TIMESTAMP`."""

    key = "type"

    def handler_not_found(self, call: Call) -> APIException:
        name = str(self.content_of(call).get(self.key))[:64]
        return HandlerNotFound(call.name, _("Unknown action: %s") % name)

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        content = reply.data or {} if reply.errors is None else self._error_content(reply.errors)
        return _with_request_id(with_timestamp(content), reply)

    @staticmethod
    def _error_content(errors: Any) -> dict[str, Any]:
        error_list, details = _as_list(errors), errors
        if isinstance(errors, dict) and errors.keys() == {"detail", "traceback"}:
            error_list, details = [errors["detail"]], errors["traceback"]
        elif isinstance(errors, list) and len(errors) == 1:
            details = errors[0]
        elif isinstance(errors, list | dict):
            details = _("Invalid message.")
        return {"type": "ERROR", "success": False, "errors": error_list, "details": details}


class PlainDialect:
    """The format of a `SocketView`, which defines its own frames. Only error frames are fixed.

    They are the detail of the exception (`{"detail": …}` unless it is an object) and `status`.
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
