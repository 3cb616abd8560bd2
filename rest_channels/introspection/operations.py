"""The frames that a class takes, found from its actions, routes, serializers and signatures."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import singledispatch
from types import NoneType
from typing import Any, TypedDict

from rest_framework import permissions as drf

from ..actions.plan import RESERVED_ARGUMENTS, ActionPlan
from ..actions.site_urls import view_class_of
from ..actions.view_methods import find_view, is_viewset, viewset_routes
from ..api_consumer import AsyncAPIConsumer
from ..declarations.hints import LiveRows
from ..django_views import DjangoViewAsConsumer
from ..permissions import AllowAny
from ..settings import api_settings
from ..socket_consumer import SocketConsumer
from ..views import SocketRouteView, SocketView
from .descriptions import NO_DEFAULT, Argument, Operation, docstring_of
from .hints import Content, arguments_of, request_of, response_of
from .row_actions import RowAction, row_action, row_arguments, row_pagination

__all__ = [
    "describe_class",
    "frame_operation",
    "has_authenticators",
    "operations_of",
    "permission_names",
]

DATA = "data"
AUTHENTICATE = "authenticate"


class Identity(TypedDict):
    """The user whom a token belongs to."""

    user: int | str | None


def operations_of(cls: type[Any]) -> tuple[Operation, ...]:
    """Return the frames that `cls` takes; none for a class that is not of this library."""
    return tuple(describe_class.dispatch(cls)(cls))


@singledispatch
def describe_class(cls: Any) -> Iterable[Operation]:
    """Return the operations of a class. `describe_class.register` adds another base class."""
    return ()


@describe_class.register(AsyncAPIConsumer)
def _actions(cls: Any) -> Iterable[Operation]:
    plans = sorted(cls._plans.values(), key=lambda plan: _line(getattr(cls, plan.attribute)))
    found = [_action(cls, plan) for plan in plans]
    return found if AUTHENTICATE in cls._plans else [*found, *_authenticate(cls)]


def _authenticate(cls: Any) -> Iterable[Operation]:
    """Yield the action that takes a new token, which consumers with authenticators have."""
    if has_authenticators(cls, {}):
        token = Argument("token", str, help_text="The token, without its scheme.")
        scheme = Argument("scheme", str, None, "The word before the token, such as Bearer.")
        text = "Send a token, or a new one when it has expired."
        yield Operation(AUTHENTICATE, None, text, (token, scheme), response=Identity)


def has_authenticators(cls: Any, attributes: Mapping[str, Any]) -> bool:
    """Return whether `cls` authenticates handshakes, with the `attributes` of its `as_asgi()`."""
    if not issubclass(cls, AsyncAPIConsumer):
        return False
    own = attributes.get("authentication_classes", cls.authentication_classes)
    found = api_settings.DEFAULT_AUTHENTICATION_CLASSES if own is None else own
    if not found and issubclass(cls, DjangoViewAsConsumer):
        found = getattr(view_class_of(cls.view), "authentication_classes", ())
    return bool(found)


@describe_class.register(DjangoViewAsConsumer)
def _view_actions(cls: Any) -> Iterable[Operation]:
    view = cls.view
    if is_viewset(view):
        names = [name for name in viewset_routes(view) if _is_offered(cls, name)]
    else:
        names = list(cls.actions)
    return [_view_action(cls, name) for name in names]


@describe_class.register(SocketRouteView)
def _methods(cls: Any) -> Iterable[Operation]:
    for name, attribute in cls.routes.routes:
        function = getattr(cls, attribute)
        permissions = permission_names(cls.permission_classes)
        response = response_of(function, returns_data=True)
        content = request_of(function, _argument_at(function, 2))
        yield Operation(
            name,
            function,
            docstring_of(function),
            content=content,
            has_data=True,
            requires_data=content not in (None, NoneType),
            response=response.hint,
            permissions=permissions,
            is_answered=response.is_answered,
        )


@describe_class.register(SocketView)
def _view_frames(cls: Any) -> Iterable[Operation]:
    if (receive := getattr(cls, "receive", None)) is not None:
        yield from _frame_operations(receive, cls)


@describe_class.register(SocketConsumer)
def _consumer_frames(cls: Any) -> Iterable[Operation]:
    for name in ("receive_json", "receive", "websocket_receive"):
        if getattr(cls, name) is not getattr(SocketConsumer, name):
            yield from _frame_operations(getattr(cls, name), cls)
            return


def _frame_operations(function: Callable[..., Any], cls: Any) -> Iterator[Operation]:
    """Yield the operation of a function that takes frames, once for each kind of `receives`."""
    operation = frame_operation(function, cls)
    if not isinstance(cls.receives, Mapping):
        yield operation
        return
    for label, hint in cls.receives.items():
        yield replace(operation, content=NoneType if hint is None else hint, label=label)


def frame_operation(function: Callable[..., Any], cls: Any = None) -> Operation:
    """Return the operation of a function that takes frames without a name."""
    permissions = permission_names(getattr(cls, "permission_classes", ()))
    content = getattr(cls, "receives", None)
    if content is None and function.__name__ == "receive_json":
        content = request_of(function, _argument_at(function, 1))
    description = docstring_of(function)
    return Operation(None, function, description, content=content, permissions=permissions)


def permission_names(classes: Sequence[Any] | None) -> tuple[str, ...]:
    """Return permission classes as text, without those that allow everything.

    `None` stands for the default ones.
    """
    found = api_settings.DEFAULT_PERMISSION_CLASSES if classes is None else classes
    restricting = [each for each in found if each not in (AllowAny, drf.AllowAny)]
    return tuple(map(_permission_name, restricting))


def _permission_name(permission: Any) -> str:
    """Return the name of a permission class, or those of a tree of classes with its operators."""
    operator = getattr(permission, "operator_class", None)
    if operator is None:
        return getattr(permission, "__name__", type(permission).__name__)
    first = _permission_name(permission.op1_class)
    if (second := getattr(permission, "op2_class", None)) is None:
        return f"~{first}"
    return f"({first} {'&' if operator.__name__ == 'AND' else '|'} {_permission_name(second)})"


def _line(function: Any) -> tuple[str, int]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return ("", 0) if code is None else (code.co_filename, code.co_firstlineno)


def _action(cls: Any, plan: ActionPlan) -> Operation:
    function = getattr(cls, plan.attribute)
    options = plan.options or {}
    serializer = options.get("serializer_class", getattr(cls, "serializer_class", None))
    permissions = options.get("permission_classes", cls.permission_classes)
    known = row_action(cls, plan.name)
    arguments = [] if known is None else row_arguments(cls, plan.name, options)
    own = _without(arguments_of(function, 1), arguments)
    data = next((argument for argument in own if argument.name == DATA), None)
    request, response = request_of(function, DATA), response_of(function, returns_data=False)
    if request is None and known is not None and known.has_data:
        request = serializer
    is_row = known is not None and known.answers_row and response.hint is None
    is_list = is_row and known is not None and known.is_list
    return Operation(
        plan.name,
        function,
        docstring_of(function),
        (*arguments, *(each for each in own if each.name not in (DATA, *RESERVED_ARGUMENTS))),
        takes_any=plan.parameters.has_var_keyword if known is None else known.takes_any,
        content=request,
        has_data=data is not None,
        requires_data=data is not None and data.is_required,
        partial=plan.name == "patch" and known is not None,
        response=serializer if is_row else _answer_of(known, response, serializer),
        is_list=is_list,
        permissions=permission_names(permissions),
        is_answered=response.is_answered or (known is not None and known.answers_row),
        pagination=row_pagination(cls, options) if is_list else None,
    )


def _without(arguments: list[Argument], others: list[Argument]) -> list[Argument]:
    names = {each.name for each in others}
    return [each for each in arguments if each.name not in names]


def _answer_of(known: RowAction | None, response: Content, serializer: Any) -> Any:
    """Return the hint of an answer that is no row. Other actions of mixins have no data."""
    if known is not None and known.is_live and not response.is_given:
        return LiveRows(serializer)
    has_no_data = known is not None and not known.answers_row and not response.is_given
    return NoneType if has_no_data else response.hint


def _argument_at(function: Callable[..., Any], position: int) -> str:
    """Return the name of the argument that is the content of a frame; "" if there is none."""
    names = list(inspect.signature(function).parameters)
    return names[position] if len(names) > position else ""


def _is_offered(cls: Any, name: str) -> bool:
    return find_view(cls.view, cls.actions, name) is not None


def _view_action(cls: Any, name: str) -> Operation:
    view = view_class_of(cls.view)
    route = viewset_routes(cls.view).get(name) if is_viewset(cls.view) else None
    initkwargs = {} if route is None else route[1]
    method = cls.actions.get(name, "GET") if route is None else route[0].upper()
    handler = getattr(view, name if route is not None else method.lower(), None)
    serializer = initkwargs.get("serializer_class", getattr(view, "serializer_class", None))
    permissions = initkwargs.get("permission_classes", getattr(view, "permission_classes", ()))
    writes = method in ("POST", "PUT", "PATCH")
    arguments = [Argument("query", dict, None, "The query string, as an object.")]
    if not initkwargs or initkwargs.get("detail"):
        text = "The arguments of the view that its URL has, such as pk."
        required = NO_DEFAULT if initkwargs.get("detail") else None
        arguments.append(Argument("parameters", dict, required, text))
    return Operation(
        name,
        handler,
        docstring_of(handler or view),
        tuple(arguments),
        content=serializer if writes else None,
        has_data=writes,
        requires_data=writes and serializer is not None and method != "PATCH",
        partial=method == "PATCH",
        response=None if method == "DELETE" else serializer,
        is_list=name == "list",
        pagination=getattr(view, "pagination_class", None) if name == "list" else None,
        permissions=(*permission_names(cls.permission_classes), *permission_names(permissions)),
    )
