"""`@socket.live`: the clients of a page keep lists that equal querysets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import orjson
from asgiref.sync import iscoroutinefunction

from rest_channels.declarations.hints import LiveRows
from rest_channels.decorators import HINTS
from rest_channels.dispatch.errors import error_reply
from rest_channels.live.querysets import prepared
from rest_channels.live.writes import capture_writes
from rest_channels.observer.list_subscriptions import end_subscriptions, subscribe
from rest_channels.observer.list_viewers import ListViewer, Sharing, Viewers
from rest_channels.observer.lists import check_options
from rest_channels.observer.subscriptions import Subscription
from rest_channels.protocol.dialects import with_timestamp
from rest_channels.protocol.messages import Call
from rest_channels.renderers import Rendered, encode_text

__all__ = ["LiveList"]

NAMED_KEYS = {"type", "have"}
"""The keys of a message that the function does not receive."""


@dataclass
class FailedList:
    """A list that ends with an error, for `error_reply`."""

    connection: Any
    call: Call
    event: str = "event"


class LiveList(LiveRows):
    """What the clients of a page keep: the rows that a function returns.

    Args:
        router: The name of the router, for errors.
        name: The type of its messages.
        serializer_class: A serializer class of the rows.
        stop: The type of the message that ends it, or `None`.
        viewers: A function that finds the users who see rows, or `None`.
        reread: Seconds after which it is read again in any case, or `None`.

    Raises:
        TypeError: An argument has a wrong type.
    """

    def __init__(
        self,
        router: str,
        name: str,
        serializer_class: Any,
        stop: str | None,
        viewers: Viewers | None,
        reread: float | None,
    ) -> None:
        where = f"{router}.live({name!r})"
        if not isinstance(name, str) or not isinstance(stop, str | None):
            wrong = name if not isinstance(name, str) else stop
            raise TypeError(
                f"{where} takes a type as text, as in live('NOTES', …, stop='STOP_NOTES'), not "
                f"{wrong!r} as type or stop."
            )
        check_options(where, serializer_class, viewers, reread)
        super().__init__(serializer_class)
        self.name = name
        self.where = where
        self.stop = stop
        self.viewers = viewers
        self.reread = reread
        self.sharing = Sharing(serializer_class)
        self.function: Callable[..., Any]

    def routes(self, function: Callable[..., Any]) -> list[tuple[str, Callable[..., Any]]]:
        """Return the routes of a router that serve the rows `function` returns."""
        if iscoroutinefunction(function):
            raise TypeError(f"{self.where} takes a def, which is called in a thread.")
        self.function = function
        capture_writes()

        @wraps(function)  # descriptions of the page show its docstring
        async def subscribe_to(handler: Any, content: dict[str, Any]) -> None:
            await self.subscribe(handler, content)

        setattr(subscribe_to, HINTS, {"response": self})
        routes: list[tuple[str, Callable[..., Any]]] = [(self.name, subscribe_to)]
        return routes if self.stop is None else [*routes, (self.stop, self.unsubscribe)]

    async def subscribe(self, handler: Any, content: dict[str, Any]) -> None:
        """Send the client the rows, and after each commit what differs."""
        viewer = PageViewer(handler, content, self)
        try:
            have = content.get("have")
            data = await subscribe(viewer, self, self.name, have, self.reread)
            await viewer.send(data)
        finally:
            viewer.answered.set_result(None)

    async def unsubscribe(self, handler: Any, content: dict[str, Any]) -> None:
        """Send no more of the list."""
        end_subscriptions(handler, self, None)


class PageViewer(ListViewer):
    """A client of a `LiveList`. It has one list of each type."""

    def __init__(self, handler: Any, content: dict[str, Any], live_list: LiveList) -> None:
        arguments = {key: content[key] for key in content.keys() - NAMED_KEYS}
        self.live_list = live_list
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = Subscription(
            live_list, handler, live_list.name, lookup=arguments, answered=self.answered
        )
        super().__init__(request, arguments, live_list.sharing, live_list.viewers)
        self.sends_directly = not handler.overrides_sending

    def _find_queryset(self) -> Any:
        return prepared(self.live_list.function(self.consumer, self.arguments))

    def serializer_context(self) -> dict[str, Any]:
        return {"request": self.consumer.message, "socket": self.consumer}

    def frame_start(self, data: Rendered) -> str:
        content = with_timestamp(orjson.loads(data.body))
        return encode_text({**content, "type": None}).removesuffix("null}")

    async def send(self, data: Rendered) -> None:
        await self.consumer.send_action(self.live_list.name, **orjson.loads(data.body))

    async def send_error(self, error: Exception) -> None:
        call = Call(self.live_list.name, self.arguments)
        reply = error_reply(FailedList(self.consumer._connection, call), error)
        await self.consumer.send_json(self.consumer._dialect.build_reply(reply))
