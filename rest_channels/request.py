"""The request of a view: one event of a connection."""

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, ValidationError

from .engine.connection import Connection
from .groups import Channel
from .handshake.http_request import http_request, query_dict
from .handshake.identity import unauthenticated_user
from .handshake.request_names import RequestNames
from .parsers import JSONParser, parse_json
from .protocol.dialects import PlainDialect
from .protocol.messages import Call, Frame
from .settings import api_settings

__all__ = ["NO_CALL", "SocketRequest"]

EVENT_METHODS = {"connect": "GET", "receive": "POST", "disconnect": "GET", "event": "GET"}
PARSE = JSONParser.parse
"""The method as it is defined: a test may replace it."""
_UNSET = object()
NO_CALL = Call(None)
"""The call of an event that calls nothing by its name."""


class SocketRequest(RequestNames):
    """One event of a connection: `connect`, `receive` or `disconnect`.

    It has the attributes that permission classes and views expect of a request: `user`, `session`,
    `method`, `data`, `query_params`, `headers`, `META`, `COOKIES`, `path` and so on. It has every
    name that DRF's `Request` has; those of `HttpRequest` lead to that of the handshake.

    It also has those of a message of Channels 1: `channel`, `reply_channel` and `content`. It is
    itself a mapping of `content`: `request["path"]`. Decorators may set more attributes.
    """

    channel_session: Any = None
    http_session: Any = None
    _user: Any = None
    _unauthenticated: Any = _UNSET
    _method: str | None = None
    _query: QueryDict | None = None
    text_parser_class: Any = None
    bytes_parser_class: Any = None
    """The parsers that the view names, or `None` for those of the settings."""
    code: int | None = None
    """The close code, on `disconnect`."""

    def __init__(
        self, connection: Connection, event: str, frame: Frame | None = None, order: int = 0
    ) -> None:
        self.connection = connection
        self.event = event
        self.frame = frame
        self.order = order
        # Attributes that the class has too would take three times as long to set and to read.
        self.call = NO_CALL
        self._data: Any = _UNSET
        self._parse_called = False

    @property
    def scope(self) -> dict[str, Any]:
        """The connection's ASGI scope."""
        return self.connection.scope

    @property
    def user(self) -> Any:
        """The user of the connection. A new value stays for later events.

        Without a login it is DRF's `UNAUTHENTICATED_USER`, by default an `AnonymousUser`.
        """
        user = self._user if self._user is not None else self.scope.get("user")
        if user is not None and getattr(user, "is_authenticated", True):
            return user
        if self._unauthenticated is _UNSET:
            self._unauthenticated = unauthenticated_user(user)
        return self._unauthenticated

    @user.setter
    def user(self, user: Any) -> None:
        self._user = None
        self.scope["user"] = user

    def set_event_user(self, user: Any) -> None:
        """Set the user of this event only, for decorators.

        Permissions are still checked for the user of the connection. The connection still ends
        when that user logs out.
        """
        self._user = user

    @property
    def auth(self) -> Any:
        """What the authenticator returned with the user: usually a token, or `None`."""
        return self.scope.get("auth")

    @auth.setter
    def auth(self, auth: Any) -> None:
        self.scope["auth"] = auth

    @property
    def session(self) -> Any:
        """The HTTP session of the handshake, or `None`."""
        return self.scope.get("session")

    @property
    def method(self) -> str:
        """The HTTP method that a permission class sees: GET for `connect`, POST for a frame."""
        return self._method or EVENT_METHODS[self.event]

    def set_query_params(self, query: Any) -> None:
        """Replace the query string that filters see. Raise 400 if `query` is not a dict."""
        if not isinstance(query, dict):
            raise ValidationError({"query": [_("This has to be an object.")]})
        self._query = query_dict(query)

    def set_action(self, method: str, arguments: dict[str, Any]) -> None:
        """Set what permission classes see for an action: the HTTP method, and its arguments.

        Their `request.data` is the argument `data`, or all arguments if there is none.
        """
        self._method = method
        self._data = arguments.get("data", arguments)

    @property
    def path(self) -> str:
        """The path of the handshake."""
        return self.scope["path"]  # type: ignore[no-any-return]

    @cached_property
    def http(self) -> ASGIRequest:
        """The handshake as a Django `HttpRequest`, whose body is the frame."""
        text, binary, _size = self.frame or (None, None, 0)
        body = text.encode(errors="surrogatepass") if text is not None else binary or b""
        return http_request(self.scope, self.method, body)

    @property
    def query_params(self) -> QueryDict:
        """The query string of the handshake, or the one that `set_query_params` set."""
        return self.http.GET if self._query is None else self._query

    GET = query_params

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the handshake."""
        return self.http.headers

    @property
    def META(self) -> dict[str, Any]:  # noqa: N802 - Django's name
        """The headers and the addresses of the handshake, under Django's names."""
        return self.http.META

    @property
    def COOKIES(self) -> dict[str, str]:  # noqa: N802 - Django's name
        return self.http.COOKIES

    # The frame.

    @property
    def TEXT(self) -> str | None:  # noqa: N802 - rest_channels' name
        """The text of the frame, or `None`."""
        return self.frame[0] if self.frame else None

    @property
    def BYTES(self) -> bytes | None:  # noqa: N802 - rest_channels' name
        """The bytes of the frame, or `None`."""
        return self.frame[1] if self.frame else None

    @property
    def content_type(self) -> str:
        """`"text"`, `"bytes"`, or `"none"` for an event without a frame."""
        if self.frame is None:
            return "none"
        return "bytes" if self.frame[0] is None else "text"

    @property
    def data(self) -> Any:
        """The parsed frame. The first access parses it, and may raise `ParseError` (400)."""
        if self._data is not _UNSET:
            return self._data
        self._parse_called = True
        frame = self.frame
        if frame is None:
            self._data = {}
        elif (text := frame[0]) is not None:
            parser = self.text_parser_class or api_settings.DEFAULT_TEXT_PARSER_CLASS
            is_default = parser is JSONParser and JSONParser.parse is PARSE
            self._data = parse_json(text) if is_default else parser().parse(text)
        else:
            parser = self.bytes_parser_class or api_settings.DEFAULT_BYTES_PARSER_CLASS
            if parser is None:
                raise ParseError(_("This connection takes no %s frames.") % self.content_type)
            self._data = parser().parse(frame[1])
        return self._data

    @property
    def parsers(self) -> list[Any]:
        """The parsers of text frames and of binary frames."""
        text = self.text_parser_class or api_settings.DEFAULT_TEXT_PARSER_CLASS
        binary = self.bytes_parser_class or api_settings.DEFAULT_BYTES_PARSER_CLASS
        return [parser() for parser in (text, binary) if parser is not None]

    @property
    def request_id(self) -> Any:
        """The id for the answer, or `None` if the frame has none or cannot be parsed."""
        if self.call.request_id is not None:
            return self.call.request_id
        if self._data is _UNSET and self._parse_called:
            return None  # parsing failed, and its error frame asks for the id
        try:
            return PlainDialect().parse_call(self.data).request_id
        except Exception:  # noqa: BLE001 - a user's parser may raise anything
            return None

    # Channels 1.

    @cached_property
    def channel(self) -> Channel:
        """The channel `websocket.connect`, `websocket.receive` or `websocket.disconnect`."""
        return Channel(f"websocket.{self.event}")

    @cached_property
    def reply_channel(self) -> Channel:
        """The channel that sends to this connection."""
        return Channel(self.connection.address, connection=self.connection)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The event as a message of Channels 1. Only that of `connect` has the headers."""
        address, scope = self.connection.address, self.scope
        content = {"reply_channel": address, "path": self.path, "order": self.order}
        if self.event == "connect":
            content["headers"] = scope.get("headers", [])
            content["query_string"] = scope.get("query_string", b"")
            content["client"] = scope.get("client")
            content["server"] = scope.get("server")
        if self.event == "disconnect":
            content["code"] = self.code
        if self.frame is not None:
            content[self.content_type] = self.TEXT if self.TEXT is not None else self.BYTES
        return content

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.content[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self.content

    def keys(self) -> KeysView[str]:
        return self.content.keys()

    def values(self) -> ValuesView[Any]:
        return self.content.values()

    def items(self) -> ItemsView[str, Any]:
        return self.content.items()

    def get(self, key: str, default: Any = None) -> Any:
        return self.content.get(key, default)
