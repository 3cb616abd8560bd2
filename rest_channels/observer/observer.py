"""`observer`: subscriptions of clients to any of Django's signals."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.dispatch import Signal

from ..client_logs import log_for_client
from ..engine.publish import may_have_members, publish
from ..partitions import activated, changed_partition, group_name
from ..protocol.messages import Event
from ..renderers import encode
from .base_observer import BaseObserver

__all__ = ["Observer"]

logger = logging.getLogger("rest_channels")


class Observer(BaseObserver):
    """An observer of a signal; it decorates a handler, `handler(self, message, **kwargs)`.

    A signal that is sent within a transaction is published when the transaction is committed.
    `kwargs` are arguments of the signal's `connect`, e.g. `sender`.
    """

    def __init__(
        self,
        func: Callable[..., Any] | None,
        signal: Signal,
        kwargs: dict[str, Any] | None = None,
        partition: str = "*",
    ) -> None:
        if not isinstance(signal, Signal):
            raise TypeError(
                f"@observer takes a signal, as in @observer(post_save), not {signal!r}."
            )
        super().__init__(func, partition)
        self.signal = signal
        self.signal_kwargs = kwargs or {}
        signal.connect(self._receive_signal, **self.signal_kwargs)

    def __call__(self, func: Callable[..., Any]) -> "Observer":
        self.func = func
        return self

    def _receive_signal(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using")
        if not isinstance(using, str) or using not in connections:
            using = DEFAULT_DB_ALIAS
        publish_signal = partial(self._publish_safely, changed_partition(using), *args, **kwargs)
        try:
            transaction.on_commit(publish_signal, using=using, robust=True)
        except (SynchronousOnlyOperation, transaction.TransactionManagementError):
            publish_signal()  # on an event loop, or without autocommit, there is no commit

    def _publish_safely(self, partition: str, *args: Any, **kwargs: Any) -> None:
        try:
            with activated(partition):
                self._publish(partition, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - it must not fail the sender
            text = "%s cannot publish a signal."
            log_for_client(logger, logging.ERROR, text, self.id, error=error)

    def _publish(self, partition: str, *args: Any, **kwargs: Any) -> None:
        signal = kwargs.pop("signal", self.signal)
        if self._labels_for_signal is None and not any(
            may_have_members(group_name(group, partition)) for group in self.signal_groups()
        ):
            return
        body = {} if self._serializer is None else self._serializer(self, signal, *args, **kwargs)
        body = getattr(body, "data", body)  # it may return a serializer
        message = {"type": self.message_type, "body": orjson.loads(encode(body))}
        for group in self.signal_groups(*args, message=message, **kwargs):
            name = group_name(group, partition)
            if may_have_members(name):
                publish(Event(name, {**message, "group": group}))
