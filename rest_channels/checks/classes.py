"""Checks of the classes that routes lead to: misspelt names, handlers with wrong arguments."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from ..cluster.layer import crosses_processes
from ..decorators import MARKS, action_mark, route_name
from ..generics import GenericAsyncAPIConsumer
from ..introspection.routes import Entry, class_of
from ..live.writes import captures_everywhere
from ..observer.naming import NamedObserver
from ..socket_consumer import SocketConsumer
from ..views import SocketView
from .live_lists import has_live_lists, live_list_messages

__all__ = ["class_messages", "takes"]

VIEW_EVENTS = ("connect", "receive", "disconnect", "gap")
CONSUMER_EVENTS = {
    "connect": (),
    "receive": ("text_data", "bytes_data"),
    "receive_json": 1,
    "disconnect": 1,
    "gap": 1,
}
"""The arguments of each event method of a consumer: their names, or their number."""

ROW_ACTIONS = {"list", "retrieve", "update", "patch", "delete"}
ROW_ACTIONS |= {"subscribe_instance", "subscribe_list"}
SERIALIZED = {"list", "retrieve", "create", "update", "patch", "subscribe_list"}
"""The actions of `rest_channels.mixins` that need a queryset, or a serializer."""

FOREIGN_EVENTS = {
    "on_connect": "connect",
    "on_open": "connect",
    "on_message": "receive",
    "on_receive": "receive",
    "on_close": "disconnect",
    "on_disconnect": "disconnect",
}
"""The names of events in other frameworks. In consumers they may be names of messages."""

CONSUMERS_ONLY = ("receive_json", "websocket_connect", "websocket_receive", "websocket_disconnect")
SHORT = 8
"""Letters of a name whose singular is likely to be a name of the project's own, as `group`."""
WORD = 6
"""Letters from which on a name with one other letter is likely to be a typo."""

LIBRARIES = ("rest_channels", "sockets", "channels", "django", "rest_framework", "builtins")


def class_messages(found: Iterable[Entry]) -> Iterator[CheckMessage]:
    """Yield the messages for all classes and functions that are routed to."""
    named: set[type] = set()
    for entry in found:
        cls = class_of(entry.target)
        if cls is None:
            yield from _function_messages(entry)
            continue
        if issubclass(cls, SocketView):
            yield from _view_messages(cls, entry)
        if cls in named:
            continue
        named.add(cls)
        if not issubclass(cls, SocketConsumer | SocketView):
            yield from _foreign_messages(cls)
        if issubclass(cls, SocketConsumer):
            yield from _consumer_messages(cls)
            yield from _observer_messages(cls)
        if issubclass(cls, GenericAsyncAPIConsumer):
            yield from _model_messages(cls, getattr(entry.target, "consumer_initkwargs", {}))
            yield from live_list_messages(cls)
        if issubclass(cls, SocketConsumer | SocketView):
            yield from _typo_messages(cls)


def _function_messages(entry: Entry) -> Iterator[CheckMessage]:
    if entry.is_channel_route and not takes(entry.target, 1, entry.kwargs):
        yield _arguments_error(entry.target, ("message", *sorted(entry.kwargs)), entry.text)


def _foreign_messages(cls: type[Any]) -> Iterator[CheckMessage]:
    """E029: a class of another package has actions, routes or observers of this library."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if isinstance(value, NamedObserver) or any(hasattr(value, mark) for mark in MARKS):
            foreign = next((base for base in cls.__mro__ if not _is_own(base)), cls)
            message = (
                f"{cls.__name__}.{name} is from rest_channels, which {foreign.__module__}."
                f"{foreign.__qualname__} does not know: nothing calls it."
            )
            hint = "Derive the class from AsyncAPIConsumer or another class of rest_channels."
            yield Error(message, hint, obj=cls, id="rest_channels.E029")
            return


def _view_messages(cls: type[Any], entry: Entry) -> Iterator[CheckMessage]:
    arguments = (*["…"] * entry.args, *sorted(entry.kwargs))
    for event in VIEW_EVENTS:
        method = getattr(cls, event, None)
        if method is None or not _is_own(method) or (event == "gap" and route_name(method)):
            continue
        more = ("groups",) if event == "gap" else ()
        if not takes(method, 2 + len(more) + entry.args, entry.kwargs):
            yield _arguments_error(method, ("self", "request", *more, *arguments), entry.text)
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        if route_name(method) and not takes(getattr(cls, name), 3 + entry.args, entry.kwargs):
            yield _arguments_error(method, ("self", "request", "data", *arguments), entry.text)


def _consumer_messages(cls: type[Any]) -> Iterator[CheckMessage]:
    for event, arguments in CONSUMER_EVENTS.items():
        method = getattr(cls, event, None)
        if not callable(method) or not _is_own(method):
            continue
        names = arguments if isinstance(arguments, tuple) else ()
        count = arguments if isinstance(arguments, int) else 0
        if names and any(takes(method, 1, (name,)) for name in names):
            continue  # it takes text frames or binary ones
        if not takes(method, 1 + count, names):
            shown = {"receive_json": ("content",), "disconnect": ("code",), "gap": ("groups",)}
            expected = ("self", *(names or shown.get(event, ())))
            yield _arguments_error(method, expected, cls.__name__)
    for name in dir(cls):
        method = getattr(cls, name)
        if action_mark(method) and not list(inspect.signature(method).parameters):
            yield _arguments_error(method, ("self", "…"), cls.__name__)
    for route in getattr(cls, "routes", ()):
        handler = getattr(cls, route[1], None) if isinstance(route[1], str) else route[1]
        if handler is not None and not takes(handler, 2, ()):
            yield _arguments_error(handler, ("self", "content"), f"{cls.__name__}.routes")


def _model_messages(cls: type[Any], given: dict[str, Any]) -> Iterator[CheckMessage]:
    """Check that the actions of the library have rows and a serializer."""
    actions = {name for name in cls.available_actions if not _is_own(getattr(cls, name, None))}
    reads_rows = actions & ({"list"} if _is_own(cls.get_object) else ROW_ACTIONS)
    for name, needed_by, hooks in (
        ("queryset", reads_rows, ("get_queryset",)),
        ("serializer_class", actions & SERIALIZED, ("get_serializer_class", "get_serializer")),
    ):
        is_set = name in given or getattr(cls, name) is not None or _is_own(cls.__init__)
        if needed_by and not is_set and not any(_is_own(getattr(cls, each)) for each in hooks):
            message = f"{cls.__name__} has no {name}, which the action {min(needed_by)!r} needs."
            value = "Model.objects.all()" if name == "queryset" else "ModelSerializer of yours"
            hint = f"Write {name} = {value}, or override {hooks[0]}()."
            yield Warning(message, hint, obj=cls, id="rest_channels.W025")


def _observer_messages(cls: type[Any]) -> Iterator[CheckMessage]:
    """W026: a process that saves rows may not know the observers or live lists of `cls`."""
    found = (getattr(cls, name, None) for name in dir(cls))
    observers = [each for each in found if isinstance(each, NamedObserver) and each.id]
    are_known = all(each.is_known_everywhere for each in observers)
    are_told = captures_everywhere() or not has_live_lists(cls)
    if not crosses_processes() or (are_known and are_told):
        return
    message = (
        f"The {'live lists' if are_known else 'observers'} of {cls.__name__} are not known in a "
        "shell, a task or a process without sockets, which do not import "
        f"{cls.__module__}: what is saved there reaches no subscriber."
    )
    hint = (
        "Put the class into a module named consumers of an app, or import its module in ready() of "
        "the app's AppConfig. Silence this if only processes with these sockets save."
    )
    yield Warning(message, hint, obj=cls, id="rest_channels.W026")


def takes(function: Callable[..., Any], count: int, names: Iterable[str]) -> bool:
    """Return whether `function` can be called with `count` values and the arguments `names`."""
    try:
        inspect.signature(function).bind(*[None] * count, **dict.fromkeys(names))
    except TypeError:
        return False
    except ValueError:  # a function without a signature
        return True
    return True


def _arguments_error(function: Any, expected: tuple[str, ...], where: str) -> CheckMessage:
    name = getattr(function, "__qualname__", repr(function))
    try:
        signature = str(inspect.signature(function))
    except (TypeError, ValueError):
        signature = "(…)"
    message = f"{name}{signature} cannot be called for {where}."
    hint = f"Write def {name.rpartition('.')[2]}({', '.join(expected)})."
    return Error(message, hint, obj=function, id="rest_channels.E025")


def _typo_messages(cls: type[Any]) -> Iterator[CheckMessage]:
    """W024: a name that nothing calls, and that is nearly the name of something that is called."""
    own = [ancestor for ancestor in cls.__mro__ if _is_own(ancestor)]
    known = {name for base in cls.__mro__ if not _is_own(base) for name in vars(base)}
    is_view = issubclass(cls, SocketView)
    known = {name for name in known if not name.startswith("_")} | set(VIEW_EVENTS)
    for ancestor in own:
        for name, value in vars(ancestor).items():
            if name.startswith("_") or name in known or _is_used(value):
                continue
            meant = _view_event(name) if is_view else None
            meant = meant or _meant(name, value, known)
            if meant is not None:
                message = f"{ancestor.__name__}.{name} is never used. Did you mean {meant!r}?"
                hint = "Correct the name, or silence this check if it is a method of your own."
                yield Warning(message, hint, obj=ancestor, id="rest_channels.W024")


def _view_event(name: str) -> str | None:
    return "receive" if name in CONSUMERS_ONLY else FOREIGN_EVENTS.get(name)


def _is_used(value: Any) -> bool:
    """Return whether frames or changes lead to `value`: an action, a route or an observer."""
    return bool(action_mark(value) or route_name(value) or hasattr(value, "subscribe"))


def _meant(name: str, value: Any, known: set[str]) -> str | None:
    """Return the known name that `name` is a typo of, or `None`."""
    if not callable(value) and not isinstance(value, classmethod | staticmethod | property):
        longer = {each for each in known if each != f"{name}s" or len(each) > SHORT}
        return next(iter(get_close_matches(name, longer, n=1, cutoff=0.87)), None)
    return next((each for each in sorted(known) if _is_typo(name, each)), None)


def _is_typo(name: str, known: str) -> bool:
    """Return whether one letter is missing, surplus, wrong or swapped, other than at the end.

    In short names only swapped letters count: `last`, `batch` and `watch` are words of their own.
    """
    if name == known or abs(len(name) - len(known)) > 1 or min(len(name), len(known)) < 4:
        return False
    if name.startswith(known) or known.startswith(name):
        return False
    start = next(i for i, (a, b) in enumerate(zip(name, known, strict=False)) if a != b)
    rest, wanted = name[start:], known[start:]
    if wanted == rest[1:2] + rest[:1] + rest[2:]:
        return True
    is_long = min(len(name), len(known)) >= WORD
    return is_long and (wanted == rest[1:] or wanted[1:] in (rest, rest[1:]))


def _is_own(written: Any) -> bool:
    """Return whether the project wrote a method or a class."""
    module = getattr(inspect.unwrap(written), "__module__", None) or ""
    return module.partition(".")[0] not in LIBRARIES
