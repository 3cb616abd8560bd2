"""Observers: subscriptions of clients to changes of rows and to Django's signals.

    class Shop(GenericAsyncAPIConsumer):
        comments = model_observer(Comment, serializer_class=CommentSerializer)

        @action()
        async def subscribe_to_comments(self, request_id, **kwargs):
            await self.comments.subscribe(request_id=request_id)

`notify_changed` and `ObservedQuerySet` report writes for which Django sends no signal.
"""

from inspect import signature
from typing import Any

from django.db.models import Model
from django.dispatch import Signal

from ..declarations.unsupported import refuse_options
from ..declarations.values import check_values
from ..history.policy import History
from .base_observer import BaseObserver
from .capture.changes import Action
from .generics import ObserverConsumerMixin, ObserverModelInstanceMixin
from .lists import LiveQuery, ObserverModelListMixin, live_query
from .model_observer import ModelObserver
from .notify import ObservedQuerySet, notify_changed
from .observer import Observer

__all__ = [
    "Action",
    "BaseObserver",
    "LiveQuery",
    "ModelObserver",
    "ObservedQuerySet",
    "Observer",
    "ObserverConsumerMixin",
    "ObserverModelInstanceMixin",
    "ObserverModelListMixin",
    "live_query",
    "model_observer",
    "notify_changed",
    "observer",
]


def observer(signal: Signal, **kwargs: Any) -> Observer:
    """Observe a signal: decorate a handler. `kwargs` go to its `connect`, e.g. `sender`.

    Raises `TypeError` for others.
    """
    if isinstance(signal, Signal):  # else `Observer` raises
        refuse_options("@observer", kwargs, [*signature(signal.connect).parameters][1:])
    return Observer(None, signal, kwargs)


def model_observer(
    model: type[Model],
    serializer_class: Any = None,
    many_to_many: bool = False,
    partition: str = "*",
    history: History | int | None = None,
    **options: Any,
) -> ModelObserver:
    """Observe the rows of a model: decorate a handler, or assign the result to an attribute.

    Without a handler each subscribing request receives `create` (201), `update` (200) and `delete`
    (204) frames, with the serialized row as `data`.

    Args:
        model: The model; its proxies and children are included.
        serializer_class: A DRF serializer class; with `None` the message is `{"pk": …}`.
        many_to_many: Whether a changed many-to-many relation is an update of the row.
        partition: A part of the observer's id. Observers have different ids without it, too.
        history: How many changes each group keeps, for clients that were away: a `History`, or a
            number for `History(size=number)`.

    Raises:
        TypeError: An argument has a wrong type, or there are other `options`.
        ValueError: The history has no size.

    Source: djangochannelsrestframework 1.3.
    """
    known = ("serializer_class", "many_to_many", "partition", "history")
    refuse_options("@model_observer", options, known)
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise TypeError(f"model_observer() takes a model class, not {model!r}.")
    check_values("model_observer(): ", {"serializer_class": serializer_class})
    if not isinstance(many_to_many, bool):
        raise TypeError(f"model_observer(many_to_many={many_to_many!r}): write True or False.")
    if isinstance(history, int) and not isinstance(history, bool):
        history = History(size=history)
    if not isinstance(history, History | None):
        raise TypeError(f"model_observer(history={history!r}): write History(size=100, age=300).")
    return ModelObserver(None, model, partition, serializer_class, many_to_many, history)
