"""`observer`: what any of Django's signals says."""

from collections.abc import Callable
from typing import Any

import orjson
from django.db import DEFAULT_DB_ALIAS, transaction
from django.dispatch import Signal

from ..messages import Event
from ..reach import anyone_in, publish
from ..renderers import encode
from .base_observer import BaseObserver

__all__ = ["Observer"]


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
        using = kwargs.get("using") or DEFAULT_DB_ALIAS
        transaction.on_commit(lambda: self._tell(*args, **kwargs), using=using, robust=True)

    def _tell(self, *args: Any, **kwargs: Any) -> None:
        signal = kwargs.pop("signal", self.signal)
        body = {} if self._serializer is None else self._serializer(self, signal, *args, **kwargs)
        message = {"type": self.name.replace("_", "."), "body": orjson.loads(encode(body))}
        for group in self.signal_groups(*args, message=message, **kwargs):
            if anyone_in(group):
                publish(Event(group, {**message, "group": group}))
