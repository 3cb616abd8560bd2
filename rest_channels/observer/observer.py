"""`observer`: what any of Django's signals says."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.dispatch import Signal

from ..engine.publish import may_have_members, publish
from ..protocol.messages import Event
from ..renderers import encode
from .base_observer import BaseObserver

__all__ = ["Observer"]

logger = logging.getLogger("rest_channels")


class Observer(BaseObserver):
    """An observer of a signal; it decorates a handler, `handler(self, message, **kwargs)`.

    In: `signal`; `kwargs`, for its `connect` (`sender`). What is sent within a transaction is told
    when that is committed.
    """

    def __init__(
        self, func: Callable[..., Any] | None, signal: Signal, kwargs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(func)
        self.signal = signal
        self.signal_kwargs = kwargs or {}
        signal.connect(self._sent, **self.signal_kwargs)

    def __call__(self, func: Callable[..., Any]) -> "Observer":
        """Decorate the handler."""
        self.func = func
        return self

    def _sent(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using")
        if not isinstance(using, str) or using not in connections:
            using = DEFAULT_DB_ALIAS
        tell = partial(self._tell_safely, *args, **kwargs)
        try:
            transaction.on_commit(tell, using=using, robust=True)
        except (SynchronousOnlyOperation, transaction.TransactionManagementError):
            tell()  # on a loop, or without autocommit, there is no commit to wait for

    def _tell_safely(self, *args: Any, **kwargs: Any) -> None:
        try:
            self._tell(*args, **kwargs)
        except Exception:  # it is not the sender's
            logger.exception("%s cannot tell of a signal.", self.id)

    def _tell(self, *args: Any, **kwargs: Any) -> None:
        signal = kwargs.pop("signal", self.signal)
        if self._labels_for_signal is None and not any(map(may_have_members, self.signal_groups())):
            return
        body = {} if self._serializer is None else self._serializer(self, signal, *args, **kwargs)
        message = {"type": self.name.replace("_", "."), "body": orjson.loads(encode(body))}
        for group in self.signal_groups(*args, message=message, **kwargs):
            if may_have_members(group):
                publish(Event(group, {**message, "group": group}))
