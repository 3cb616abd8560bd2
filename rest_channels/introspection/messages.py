"""The messages that the server sends without being asked: those of observers and of `sends`."""

from collections import ChainMap
from collections.abc import Iterable, Iterator
from functools import singledispatch
from types import NoneType
from typing import Any, TypedDict

from ..declarations.hints import LiveRows
from ..live.subscriptions import DIFF
from ..observer.delivery.delivery import STATUS_BY_ACTION
from ..observer.generics import InstanceObserver
from ..observer.lists import ObserverModelListMixin
from ..observer.model_observer import ModelObserver
from .descriptions import LiveDiff, SentMessage
from .hints import response_of

__all__ = ["RowKey", "built_in_messages", "messages_of"]


class RowKey(TypedDict):
    """The primary key of a row that was deleted, or that has no serializer."""

    pk: int | str


def messages_of(cls: Any) -> tuple[SentMessage, ...]:
    """Return the messages that instances of `cls` send, those that `sends` declares last."""
    found: dict[str, list[SentMessage]] = {}
    built_in = built_in_messages.dispatch(cls)(cls)
    for message in (*built_in, *_observed(cls), *_live(cls), *_declared(cls)):
        found.setdefault(message.name, []).append(message)
    return tuple(_merged(each) for each in found.values())


@singledispatch
def built_in_messages(cls: Any) -> Iterable[SentMessage]:
    """Return the messages that the methods of a base class send. `register` adds another class."""
    return ()


def _merged(messages: list[SentMessage]) -> SentMessage:
    """Return one message with the contents of all that have its name."""
    hints = [hint for message in messages for hint in message.contents]
    unique = [hint for at, hint in enumerate(hints) if hint not in hints[:at]]
    return messages[0]._replace(contents=tuple(unique))


def _declared(cls: Any) -> Iterator[SentMessage]:
    for name, hint in (cls.sends or {}).items():
        yield SentMessage(name, (NoneType if hint is None else hint,))


def _observed(cls: Any) -> Iterator[SentMessage]:
    """Yield the messages of observers that no handler of the project's sends."""
    attributes = ChainMap(*(dict(vars(base)) for base in cls.__mro__))
    observers = {name: each for name, each in attributes.items() if isinstance(each, ModelObserver)}
    for _name, observer in sorted(observers.items()):
        if isinstance(observer, InstanceObserver):
            if observer.model_cls is not None and cls._notifies_by_default:
                yield from _row_messages(cls.serializer_class, ("update", "delete"), "A row")
        elif observer.func is None:
            described = f"A row of {observer.model_label}"
            yield from _row_messages(_content_of(observer), STATUS_BY_ACTION, described)


def _live(cls: Any) -> Iterator[SentMessage]:
    """Yield the messages of live lists."""
    attributes = ChainMap(*(dict(vars(base)) for base in cls.__mro__))
    queries = [each for _name, each in sorted(attributes.items()) if isinstance(each, LiveRows)]
    rows = [each.serializer_class for each in queries]
    if issubclass(cls, ObserverModelListMixin):
        rows.insert(0, cls.serializer_class)
    for each in rows:
        text = "What differs: rows that leave, enter, move and change."
        yield SentMessage(DIFF, (LiveDiff(each),), 200, text)


def _content_of(observer: ModelObserver) -> Any:
    if observer._serializer is not None:
        return response_of(observer._serializer, returns_data=True).hint
    return RowKey if observer.serializer_class is None else observer.serializer_class


def _row_messages(content: Any, actions: Iterable[str], row: str) -> Iterator[SentMessage]:
    for action in actions:
        deleted = action == "delete"
        contents = (content, RowKey) if deleted and content is not RowKey else (content,)
        described = f"{row} was {action.removesuffix('e')}ed."
        yield SentMessage(action, contents, STATUS_BY_ACTION[action], described)
