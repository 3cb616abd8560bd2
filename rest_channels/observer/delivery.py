"""One change, for the consumers of one class that asked for it under one group."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied as Forbidden
from django.db.models import Model
from django.http import Http404
from rest_framework.exceptions import APIException

from ..connection import Connection
from ..envelopes import Action as ActionDialect
from ..execution import run
from ..locale import Locale
from ..messages import Event, size_of
from ..renderers import Rendered, encode
from .rendering import Bodies, Personal, person
from .subscribing import Subscription, ready

__all__ = ["STATUS", "Delivery", "Row"]

STATUS = {"create": 201, "update": 200, "delete": 204}
"""The `response_status` of what observers send."""


class Row:
    """A row that has changed. It is read at most once, from where it was written."""

    def __init__(self, model: type[Model], pk: Any, using: str) -> None:
        self.model = model
        self.pk = pk
        self.using = using
        self._found: list[Any] | None = None

    def read(self) -> Any:
        """In a thread: the row, or `None` where it is gone."""
        if self._found is None:
            rows = self.model._base_manager.using(self.using).filter(pk=self.pk)
            self._found = [rows.first()]
        return self._found[0]


class Delivery:
    """In: what is told (`body`: JSON text, if whoever published it has rendered it)."""

    def __init__(
        self,
        observer: Any,
        kind: Any,
        group: str,
        action: str,
        row: Row,
        body: str | None,
    ) -> None:
        self.observer = observer
        self.kind = kind
        self.group = group
        self.action = action
        self.row = row
        self.given = None if body is None else Rendered(body.encode())
        self.bodies: Bodies | None = None  # by locale; None: each person has one of his own
        self._personal: dict[Any, asyncio.Future[Rendered | None]] = {}

    async def to(self, asking: Sequence[tuple[Connection, list[Subscription]]]) -> None:
        """Tell all of them: at once where that is possible, else each in his lane."""
        locales = {member.locale for member, _asked in asking}
        if self.given is not None:
            self.bodies = dict.fromkeys(locales, self.given)
        else:
            shared = await sync_to_async(self.observer.shared)(self.kind, self, locales)
            if shared is None:
                return
            self.bodies = None if isinstance(shared, Personal) else shared
        frames = self._frames() if self.observer.replies_at_once(self.kind) else {}
        for member, asked in asking:
            if frames and not member.aside and _idle(member) and all(map(_ready, asked)):
                head, size = frames[member.locale]
                for one in asked:
                    text = f"{head}{encode(one.request_id).decode()}}}"
                    own = size + len(text) - len(head)
                    member.deliver(Event("", None, text, None, own))
            else:
                member.deliver(Event(self.group, self.tell))

    def _frames(self) -> dict[Locale | None, tuple[str, int]]:
        """For each locale a frame as far as it is the same for all, and its size."""
        frames = {}
        for locale, body in (self.bodies or {}).items():
            frame = ActionDialect().dressed(self.action, body, STATUS[self.action], None, [])
            head = encode(frame).decode().removesuffix("null}")
            frames[locale] = head, size_of(head)
        return frames

    async def tell(self, consumer: Any) -> None:
        """In the consumer's own lane of events."""
        asked = await ready(self.observer, consumer._connection, self.group)
        if not asked:
            return
        try:
            if self.kind.check_deliveries and self.action != "delete":
                await self.observer.permit(consumer, self)
            body = await self._body(consumer, asked[0])
        except (APIException, Http404, Forbidden) as refusal:
            self.observer.leave(consumer, [self.group], None)
            for one in asked:
                tell = partial(consumer.handle_exception, refusal, action=self.action)
                await run(tell, request_id=one.request_id)
            return
        if body is not None:
            await self.observer.hand_over(consumer, self, orjson.loads(body.body), asked)

    async def _body(self, consumer: Any, asked: Subscription) -> Rendered | None:
        if self.bodies is not None:
            return self.bodies[consumer._connection.locale]
        whose = person(consumer)
        while (known := self._personal.get(whose)) is not None:
            await asyncio.wait({known})
            if not known.cancelled():
                return known.result()
        future = self._personal[whose] = asyncio.get_running_loop().create_future()
        try:
            body: Rendered | None = await self.observer.personal(consumer, self, asked)
        except asyncio.CancelledError:  # this one has left: let another one do it
            del self._personal[whose]
            future.cancel()
            raise
        except Exception as error:
            future.set_exception(error)
            future.exception()  # it may be that nobody else asks
            raise
        future.set_result(body)
        return body


def _idle(member: Connection) -> bool:
    """Whether nothing that was told before is still under way to that client."""
    return member.events is None or not member.events.busy


def _ready(one: Subscription) -> bool:
    return one.ready is None or one.ready.done()
