"""djangochannelsrestframework, used as in its documentation."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.dispatch import Signal
from djangochannelsrestframework import mixins, permissions  # type: ignore[import-not-found]
from djangochannelsrestframework.consumers import (  # type: ignore[import-not-found]
    AsyncAPIConsumer,
)
from djangochannelsrestframework.decorators import action  # type: ignore[import-not-found]
from djangochannelsrestframework.generics import (  # type: ignore[import-not-found]
    GenericAsyncAPIConsumer,
)
from djangochannelsrestframework.observer import observer  # type: ignore[import-not-found]
from djangochannelsrestframework.observer.generics import (  # type: ignore[import-not-found]
    ObserverModelInstanceMixin,
)

from ..database import ContentTypeSerializer
from .base import Peer

signal = Signal()


class Everybody(permissions.BasePermission):  # type: ignore[misc]
    """A permission class that always grants access."""

    async def has_permission(self, scope: Any, consumer: Any, action: str, **kwargs: Any) -> bool:
        """Return True."""
        return True


class Actions(AsyncAPIConsumer):  # type: ignore[misc]
    """An echo action with a permission class."""

    permission_classes = [Everybody]

    @action()  # type: ignore[untyped-decorator]
    async def echo(self, data: Any, **kwargs: Any) -> Any:
        """Answer with the same data."""
        return data, 200


class Rows(mixins.RetrieveModelMixin, GenericAsyncAPIConsumer):  # type: ignore[misc]
    """Answers with one serialized row."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


class Observer(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):  # type: ignore[misc]
    """Sends a row when it changes."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


class ObserverHandlers(AsyncAPIConsumer):  # type: ignore[misc]
    """Sends the number of a signal."""

    async def accept(self, **kwargs: Any) -> None:
        await self.numbers.subscribe()
        await super().accept(**kwargs)

    @observer(signal)  # type: ignore[untyped-decorator]
    async def numbers(self, message: Any, **kwargs: Any) -> None:
        """Send the number to the client."""
        await self.send_json({"number": message["number"]})

    @numbers.serializer  # type: ignore[untyped-decorator]
    def numbers(self, signal: Any, number: int = 0, **kwargs: Any) -> Any:
        """Return what the handler needs."""
        return {"number": number}


def send_signal(number: int) -> None:
    """Send the signal, in a thread."""
    signal.send(sender=ObserverHandlers, number=number)


PEER = Peer(
    "dcrf",
    {
        "actions": Actions.as_asgi(),
        "consumer": AsyncAPIConsumer.as_asgi(),
        "observer": Observer.as_asgi(),
        "observer handlers": ObserverHandlers.as_asgi(),
        "rows": Rows.as_asgi(),
    },
    packages=("djangochannelsrestframework",),
    send_signal=send_signal,
)
