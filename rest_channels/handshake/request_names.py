"""The names that code written for Django's and DRF's requests asks of any request."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.handlers.asgi import ASGIRequest
from django.utils.functional import cached_property

from ..protocol.messages import Scope

__all__ = ["RequestNames"]


class FromHandshake:
    """An attribute of the `HttpRequest` of the handshake, which may be read and set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else getattr(instance.http, self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance.http, self.name, value)


class RequestNames:
    """Attributes of a request that lead to its `http`, and those that DRF's views set."""

    if TYPE_CHECKING:

        @property
        def http(self) -> ASGIRequest: ...

        @property
        def scope(self) -> Scope: ...

        @property
        def user(self) -> Any: ...

    FILES = FromHandshake()
    POST = FromHandshake()
    accepted_type = FromHandshake()
    accepted_types = FromHandshake()
    accepted_types_by_precedence = FromHandshake()
    accepts = FromHandshake()
    body = FromHandshake()
    body_receive_timeout = FromHandshake()
    build_absolute_uri = FromHandshake()
    close = FromHandshake()
    content_params = FromHandshake()
    encoding = FromHandshake()
    get_full_path = FromHandshake()
    get_full_path_info = FromHandshake()
    get_host = FromHandshake()
    get_port = FromHandshake()
    get_preferred_type = FromHandshake()
    get_signed_cookie = FromHandshake()
    is_secure = FromHandshake()
    multipart_parser_class = FromHandshake()
    parse_file_upload = FromHandshake()
    path_info = FromHandshake()
    read = FromHandshake()
    readline = FromHandshake()
    readlines = FromHandshake()
    resolver_match = FromHandshake()
    scheme = FromHandshake()
    script_name = FromHandshake()
    upload_handlers = FromHandshake()

    # What DRF's views set on each request.

    version: Any = None
    versioning_scheme: Any = None
    accepted_media_type = "application/json"
    force_plaintext_errors = False

    @property
    def _request(self) -> ASGIRequest:
        return self.http

    async def auser(self) -> Any:
        """Return the user, as async views of Django ask for it."""
        return self.user

    @property
    def stream(self) -> ASGIRequest:
        """A file-like object with the frame."""
        return self.http

    @property
    def authenticators(self) -> Sequence[Any]:
        """The authenticators of the connection."""
        return getattr(self.scope.get("authentication"), "authenticators", ())

    @property
    def successful_authenticator(self) -> Any:
        """The authenticator that accepted the client, or `None`."""
        return getattr(self.scope.get("authentication"), "successful_authenticator", None)

    @cached_property
    def accepted_renderer(self) -> Any:
        """DRF's JSON renderer, since its `format` is that of most frames."""
        from rest_framework.renderers import JSONRenderer  # noqa: PLC0415 - it needs ready apps

        return JSONRenderer()

    @cached_property
    def negotiator(self) -> Any:
        """The content negotiation of DRF's settings."""
        from rest_framework.settings import api_settings  # noqa: PLC0415 - it needs settings

        negotiation: Any = api_settings.DEFAULT_CONTENT_NEGOTIATION_CLASS
        return negotiation()

    @cached_property
    def parser_context(self) -> dict[str, Any]:
        """What DRF gives to parsers. No parser of this library reads it."""
        route = self.scope.get("url_route", {})
        return {
            "view": None,
            "args": route.get("args", ()),
            "kwargs": route.get("kwargs", {}),
            "request": self,
            "encoding": "utf-8",
        }
