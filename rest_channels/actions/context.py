"""The action that a consumer is running, with its request and its permissions."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any

from ..engine.connection import Connection
from ..request import SocketRequest
from .http_methods import DRF_NAMES

__all__ = ["ActionContext", "Answers", "current_action", "shown_to_drf"]


class Answers:
    """What answers each request of one frame, by its id: a handler, or the deadline of the frame.

    The first one does. They may be in different threads, so each decision is made in one step.
    """

    def __init__(self) -> None:
        self._begun: dict[str, bool] = {}

    def begin(self, request_id: Any) -> bool:
        """Return whether the handler may answer."""
        return self._begun.setdefault(repr(request_id), True)

    def expire(self, request_id: Any) -> bool:
        """Return whether the deadline has to answer."""
        return not self._begun.setdefault(repr(request_id), False)

    def has_begun(self, request_id: Any) -> bool:
        """Return whether the handler answers."""
        return self._begun.get(repr(request_id), False)


class ActionContext:
    """One call of an action by a client, and what the permissions decided about it.

    What most calls set has its first value in `__init__`: the interpreter sets and reads it three
    times as fast as an attribute that the class has too. The others have theirs in the class.
    """

    permissions: Sequence[Any] | None
    """`None`: no permission has been checked for the action."""
    options: Mapping[str, Any] | None = None
    """The attributes of the consumer that `@action` replaces for this action."""
    paginator: Any = None
    action_kwargs: dict[str, Any] | None = None
    """The arguments of the action, for a `get_serializer` that does not take them."""
    expiry_count: int | None = None
    """How many tokens of the connection had expired before the checks. `None`: not checked."""
    answers: Answers | None = None
    """Those of its frame. `None`: nothing but the event loop has answered, or is about to."""
    _answer_waiters: "tuple[asyncio.Future[None], ...]" = ()
    _kwargs: dict[str, Any] | None = None
    _request: SocketRequest | None = None

    def __init__(
        self, action: str | None, connection: Connection, method: str, arguments: dict[str, Any]
    ) -> None:
        """Create the context of `action`. Permission classes see `method`, that of HTTP."""
        self.action = action
        self.connection = connection
        self.method = method
        self.arguments = arguments
        self.permissions = None
        self.answered = False
        self.decisions: dict[int, bool] = {}
        """Whether each permission in a tree permits the action, by its `id()`."""

    @property
    def kwargs(self) -> dict[str, Any]:
        """The named groups of the route, or what DRF's classes see in their place."""
        if self._kwargs is not None:
            return self._kwargs
        kwargs: dict[str, Any] = self.connection.scope.get("url_route", {}).get("kwargs", {})
        return kwargs

    @property
    def request(self) -> SocketRequest:
        if self._request is None:
            event = "event" if self.action is None else "receive"
            self._request = SocketRequest(self.connection, event)
            self._request.set_action(self.method, self.arguments)
        return self._request

    def frame_answers(self) -> Answers:
        """Return the answers of its frame. For the event loop."""
        if self.answers is None:
            self.answers = Answers()
        return self.answers

    def answered_future(self) -> "asyncio.Future[None] | None":
        """Return a future that ends with the answer, or `None` without one. For the event loop."""
        if self.action is None or self.answered:
            return None
        future: asyncio.Future[None] = self.connection.loop_bridge.loop.create_future()
        self._answer_waiters = (*self._answer_waiters, future)
        return future

    def mark_answered(self) -> None:
        """Wake everything that waits for the answer."""
        self.answered = True
        for future in self._answer_waiters:
            if not future.done():
                future.set_result(None)


current_action = ContextVar[ActionContext | None]("rest_channels_current_action", default=None)

COLLECTION_ACTIONS = ("list", "list_cancel", "create")
"""Actions of no single row. A key in their arguments is not shown to permissions."""


@contextmanager
def shown_to_drf(context: ActionContext, consumer: Any) -> Iterator[SocketRequest]:
    """Let `consumer` look like a DRF view inside of a `with` block, which gets its request.

    `consumer.action` is DRF's name for the action. `consumer.kwargs` has the key of the row that
    the frame names, as text.
    """
    kwargs = {**context.kwargs, **_row_key(context, consumer)}
    request, before = context.request, current_action.get()
    action = context.action and DRF_NAMES.get(context.action, context.action)
    shown = copy(context)
    shown.action, shown._kwargs = action, kwargs
    current_action.set(shown)
    try:
        yield request
    finally:
        current_action.set(before)


def _row_key(context: ActionContext, consumer: Any) -> dict[str, str]:
    """Return the key of the row that a frame names, as the view of a URL would get it."""
    name: str | None = getattr(consumer, "lookup_field", None)
    if name is None or context.action is None or context.action in COLLECTION_ACTIONS:
        return {}
    method = getattr(consumer, consumer.available_actions.get(context.action, ""), None)
    name = consumer.lookup_url_kwarg or name
    key = context.arguments.get(name)
    if getattr(method, "kwargs", {}).get("detail") is False or isinstance(key, bool):
        return {}
    return {name: str(key)} if isinstance(key, str | int) else {}
