"""Subscriptions of a connection's requests to observers."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Self

from ..api_consumer import AsyncAPIConsumer
from ..engine.connection import Connection
from ..protocol.messages import Event
from ..renderers import encode, encode_text
from ..settings import api_settings

__all__ = ["JoinedGroups", "Subscription", "by_options", "sendable", "subscriptions"]


@dataclass(eq=False, repr=False, slots=True)
class Subscription:
    """The subscription of one request to one group of an observer."""

    observer: object
    consumer: AsyncAPIConsumer
    request_id: Any = None  # any JSON value
    lookup: dict[str, Any] = field(default_factory=dict)
    """The arguments by which the client named its row."""
    using: str | None = None
    """The database alias of that row; `None` for any."""
    answered: "asyncio.Future[None] | None" = None
    """Done when the subscribing action has replied. Nothing is delivered before."""
    options: Mapping[str, Any] | None = None
    """The attributes that `@action` replaced in the action that subscribed."""
    receiver: Any = None
    """What is the member of the group, if it has a history: a `ChangeReceiver`."""
    tag: str = ""
    """The tag of that group in the frames of this subscription."""
    ended: bool = False
    frame_end: str = field(init=False)
    """The end of each of its frames: the request's id, and the closing brace."""
    frame_end_size: int = field(init=False)  # in bytes
    size: int = field(init=False)
    """The bytes of a client's data that it keeps."""
    lookup_key: bytes = field(init=False)
    """A hash of the lookup: subscriptions with the same one may share a rendering."""
    _key: tuple[int, str] = field(init=False)
    _held: list[Callable[[Any], Any]] | None = field(default=None, init=False)
    _held_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        frame_end = encode(self.request_id) + b"}"
        self.frame_end, self.frame_end_size = frame_end.decode(), len(frame_end)
        lookup = encode(self.lookup)
        self.lookup_key = blake2b(lookup, digest_size=16).digest()
        self.size = len(frame_end) + len(lookup)
        self._key = (id(self.observer), self.frame_end)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subscription) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def is_of(self, request_id: Any) -> bool:
        """Return whether this request subscribed; `None` matches any request."""
        return request_id is None or self.frame_end == f"{encode_text(request_id)}}}"

    @property
    def ready(self) -> bool:
        """Whether changes may be delivered now."""
        return self._held is None and (self.answered is None or self.answered.done())

    def hold(self, deliver: Callable[[Any], Any], size: int = 0) -> None:
        """Keep a delivery, `deliver(consumer)`, of `size` bytes until the subscription is ready.

        The reply may wait for a client that does not read. The client is closed (4503) if more than
        `OUTBOX_BYTES` are kept meanwhile.
        """
        if self._held is None and self.answered is not None:
            self._held, self._held_bytes = [], 0
            self.answered.add_done_callback(self._release)
        if self._held is None:
            return
        self._held_bytes += size
        if self._held_bytes > api_settings.OUTBOX_BYTES:
            self.consumer._connection.close_slow_client()
        elif len(self._held) <= api_settings.INBOX_FRAMES:
            self._held.append(deliver)  # more than that overflows the event queue, which reports it

    def _release(self, _answered: object) -> None:
        held, self._held = self._held or (), None
        for deliver in held:
            self.consumer._connection.deliver(Event("", deliver))


class JoinedGroups(list[str]):
    """Names of groups. `await` them to wait until the messages of other processes arrive."""

    def __init__(self, names: Iterable[str], consumer: AsyncAPIConsumer) -> None:
        super().__init__(names)
        self._consumer = consumer

    def __await__(self) -> Generator[Any, Any, Self]:
        yield from self._consumer._connection.groups.wait_joined().__await__()
        return self


def by_options(subscribed: Iterable[Subscription]) -> list[list[Subscription]]:
    """Return the subscriptions in lists of those whose actions had the same options."""
    found: dict[int, list[Subscription]] = {}
    for subscription in subscribed:
        found.setdefault(id(subscription.options), []).append(subscription)
    return list(found.values())


def sendable(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that a client may have sent, without rows and other objects."""
    found = {}
    for name, value in arguments.items():
        with suppress(TypeError):
            encode(value)
            found[name] = value
    return found


def subscriptions(observer: object, connection: Connection, group: str) -> list[Subscription]:
    """Return the subscriptions of `connection` to `group` of `observer`."""
    found = connection.groups.subscribers_view(group)
    return [each for each in found if isinstance(each, Subscription) and each.observer is observer]
