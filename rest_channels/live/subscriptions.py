"""The subscription of one request to a live query."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from django.db.models import Model, QuerySet

from ..engine.connection import Connection, State
from ..engine.fanout import AddressedFrame, fan_out_each
from ..protocol.asgi_messages import frame_message
from ..protocol.messages import Event, utf8_size
from ..renderers import Rendered
from .diff import Key

__all__ = ["DIFF", "SUBSCRIPTIONS", "LiveSubscription", "Viewer", "send_diff", "subscriptions_of"]

DIFF = "diff"
"""The `action` of the frames with what differs."""


SUBSCRIPTIONS = "live"
"""The key of a connection's state with its subscriptions."""


class Request(Protocol):
    """The request of a client, as observers know it."""

    consumer: Any
    request_id: Any
    ended: bool
    frame_end: str
    frame_end_size: int
    size: int

    @property
    def ready(self) -> bool:
        """Whether frames may be sent: the subscription has been answered."""

    def is_of(self, request_id: Any) -> bool:
        """Return whether it is the request with this id; `None`: any."""

    def hold(self, deliver: Callable[[Any], Any], size: int = 0) -> None:
        """Keep a delivery until the request is ready."""


class Viewer(Protocol):
    """What one client sees: its rows, and how they are rendered. Called in threads."""

    sends_directly: bool
    """Whether frames are sent without calling the consumer."""

    @property
    def shared_key(self) -> Hashable | None:
        """What clients with the same renderings have in common; `None`: each has its own."""

    @property
    def own_key(self) -> Hashable:
        """What clients have in common that may share renderings in any case."""

    def find_queryset(self) -> QuerySet[Any, Any]:
        """Return the rows that the client may see now, in their order."""

    @property
    def viewers_key(self) -> Hashable | None:
        """What clients have in common for which `find_viewers` is the same; `None`: it is not."""

    @property
    def reader(self) -> Key:
        """The key of the user, as `find_viewers` names it."""

    def find_viewers(self, rows: QuerySet[Any, Any]) -> set[tuple[Key, Key]]:
        """Return the keys of rows, each with that of a user who may see it."""

    def rendered_models(self, model: type[Model]) -> set[type[Model]]:
        """Return the models that rendering rows of `model` reads, as far as is known."""

    def render_shared(self, rows: Sequence[Model]) -> list[bytes | None] | None:
        """Return the JSON of each row; `None` if each client has a rendering of its own."""

    def render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        """Return the JSON of each row for this client; `None` for a row that it may not see."""

    def frame_start(self, data: Rendered) -> str:
        """Return the frame with what differs up to the request id; the same for its audience."""

    async def send(self, data: Rendered) -> None:
        """Send what differs as the class of the client sends its frames."""

    async def permit(self) -> bool:
        """Check again whether the client may have the frames, if its consumer says so."""

    async def reject(self, error: Exception) -> None:
        """Send the client the error that ends its subscription."""


@dataclass(eq=False, slots=True)
class LiveSubscription:
    """One request that subscribed to a live query. It ends with its connection."""

    request: Request
    viewer: Viewer
    owner: object
    """What was subscribed to: the `live_query`, or the mixin of lists."""
    reread: float | None = None
    """Seconds after which the query is read again in any case."""
    query: Any = None
    """The `SharedQuery` that it belongs to now."""
    answer: Any = None
    """The future of the reply. `None` is its result if the subscription ends before."""
    outdated: bool = False
    """Whether the client's rights have changed while its query was found."""

    @property
    def connection(self) -> Connection:
        """The connection of the client."""
        connection: Connection = self.request.consumer._connection
        return connection

    @property
    def ended(self) -> bool:
        """Whether nothing is sent any more."""
        return self.request.ended

    def end(self) -> None:
        """Send nothing any more, and let no request wait for its reply."""
        self.request.ended = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(None)

    async def deliver(self, data: Rendered, consumer: Any) -> None:
        """Reply with what differs. This runs in the event queue of the connection."""
        if self.ended:
            return
        if not self.request.ready:
            self.request.hold(partial(self.deliver, data), len(data.body))
        elif await self.viewer.permit() and not self.ended:
            await self.viewer.send(data)

    def reject(self, error: Exception) -> None:
        """Send the client the error that has ended its subscription."""

        async def deliver(consumer: Any) -> None:
            await self.viewer.reject(error)

        self.connection.deliver(Event("", deliver, queued_size=1))


def send_diff(subscriptions: Sequence[LiveSubscription], data: Rendered) -> None:
    """Send what differs to each client: at once where possible, else through its event queue."""
    queued: list[LiveSubscription] = []
    loop = subscriptions[0].connection.loop_bridge.loop
    fan_out_each(Event(""), _frames(subscriptions, data, queued), loop)
    for subscription in queued:
        deliver = partial(subscription.deliver, data)
        subscription.connection.deliver(Event("", deliver, queued_size=len(data.body)))


def _frames(
    subscriptions: Sequence[LiveSubscription], data: Rendered, queued: list[LiveSubscription]
) -> Iterator[AddressedFrame]:
    """Yield the frames to send at once. Add all other subscriptions to `queued`."""
    frame_start = subscriptions[0].viewer.frame_start(data)
    size = utf8_size(frame_start)
    for subscription in subscriptions:
        connection, request = subscription.connection, subscription.request
        queue = connection.event_queue
        if (
            connection.needs_queue
            or (queue is not None and queue.busy)
            or not request.ready
            or not subscription.viewer.sends_directly
        ):
            queued.append(subscription)
        elif connection.state <= State.OPEN and not connection.outbox.closed:
            text = frame_start + request.frame_end
            yield connection, frame_message(text, None), size + request.frame_end_size


def subscriptions_of(connection: Connection) -> dict[LiveSubscription, None]:
    """Return the subscriptions of a connection: do not add to the result."""
    found: dict[LiveSubscription, None] = connection.view_state.get(SUBSCRIPTIONS, {})
    return found
