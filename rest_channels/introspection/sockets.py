"""The sockets of a project, with the frames that each takes."""

from collections.abc import Iterable, Iterator
from typing import Any

from ..api_consumer import AsyncAPIConsumer
from ..protocol.dialects import ActionDialect, MethodDialect, PlainDialect, TypeDialect
from ..routing.application import SocketApplication
from ..socket_consumer import SocketConsumer
from ..views import SocketView
from .descriptions import Argument, SocketDescription, docstring_of
from .messages import messages_of
from .operations import frame_operation, has_authenticators, operations_of, permission_names
from .routes import (
    Entry,
    class_of,
    entries,
    own_entries,
    project_applications,
    routes_of,
    socket_part,
)

__all__ = ["describe_entry", "describe_sockets", "sockets_at", "sockets_of"]

DIALECTS = {
    ActionDialect: "action",
    MethodDialect: "method",
    TypeDialect: "type",
    PlainDialect: "plain",
}

CONVERTERS = {"int": int}
"""The Python types of Django's path converters, other than text."""


def describe_sockets(applications: Iterable[Any] | None = None) -> list[SocketDescription]:
    """Return the sockets of `applications`, in the order of their routes.

    Args:
        applications: ASGI applications. `None`: that of `ASGI_APPLICATION`, and the one that this
            process serves.

    Raises:
        Exception: What importing the applications and their lists raises.
    """
    found = project_applications() if applications is None else applications
    described: dict[tuple[str, str | None], SocketDescription] = {}
    for application in found:
        for description in _described(entries(application)):
            described.setdefault((description.path, description.stream), description)
    return list(described.values())


def _described(found: Iterable[Entry]) -> Iterator[SocketDescription]:
    for entry in found:
        if hasattr(entry.target, "applications") and entry.stream is None:
            continue  # a multiplexer: its streams follow
        if entry.is_channel_route and "websocket.receive" not in entry.events:
            continue
        yield describe_entry(entry)


def sockets_at(application: SocketApplication, scope: dict[str, Any]) -> list[SocketDescription]:
    """Return the sockets of `application` at the path of `scope`: several, if it has streams."""
    target = application.find_target(scope)
    return [
        each
        for each in describe_sockets([application])
        if target is not None and target in (each.target, each.multiplexer)
    ]


def sockets_of(application: Any, scope: dict[str, Any]) -> list[SocketDescription]:
    """Return the socket that serves `scope`, or its streams; none if it is not of this library.

    Args:
        application: A whole application, or that of a class: `Editor.as_asgi()`.
        scope: The scope of a connection.
    """
    part = socket_part(application)
    if isinstance(part, SocketApplication):
        found = sockets_at(part, scope)
    elif part is None or routes_of(part) is not None:
        return []
    else:
        found = list(_described(own_entries(part, scope["path"])))
    return [each for each in found if each.cls is not None]


def describe_entry(entry: Entry) -> SocketDescription:
    """Return the description of one route."""
    target = entry.target
    router = getattr(target, "socket_router", None)
    cls = class_of(target) if router is None else router.Handler
    is_own = cls is not None and issubclass(cls, SocketConsumer | SocketView)
    attributes = getattr(target, "consumer_initkwargs", getattr(target, "view_initkwargs", {}))
    operations = operations_of(cls) if is_own else ()
    if entry.is_channel_route and not is_own:
        operations = (frame_operation(target),)
    return SocketDescription(
        entry.path,
        tuple(Argument(name, CONVERTERS.get(kind, str)) for name, kind in entry.converters.items()),
        target,
        cls if is_own else None,
        _name(target if cls is None else cls),
        _dialect(target, cls) if is_own else "",
        docstring_of(target if cls is None else cls),
        _permissions(cls, attributes) if is_own else (),
        operations,
        entry.stream,
        entry.multiplexer,
        attributes,
        messages_of(cls) if is_own else (),
        not is_own or cls.sends is None,
        not is_own or has_authenticators(cls, attributes),
    )


def _permissions(cls: Any, attributes: Any) -> tuple[str, ...]:
    if not issubclass(cls, AsyncAPIConsumer | SocketView):
        return ("login_required",) if getattr(cls, "login_required", False) else ()
    return permission_names(attributes.get("permission_classes", cls.permission_classes))


def _dialect(target: Any, cls: Any) -> str:
    default = getattr(cls, "_dialect", None) or getattr(cls, "dialect", None)
    dialect = getattr(target, "dialect", default)
    return next((name for kind, name in DIALECTS.items() if type(dialect) is kind), "")


def _name(described: Any) -> str:
    if not hasattr(described, "__qualname__"):
        described = type(described)
    return f"{described.__module__}.{described.__qualname__.removesuffix('.Handler')}"
