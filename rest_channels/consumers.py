"""All consumer classes. Each connection has an instance of its own.

`SocketConsumer` has the method names of Channels' consumers, `AsyncAPIConsumer` those of
djangochannelsrestframework. A `ModelConsumer` is to a `GenericAsyncAPIConsumer` what DRF's
`ModelViewSet` is to its `GenericViewSet`:

    class Tickets(ModelConsumer):
        queryset = Ticket.objects.all()
        serializer_class = TicketSerializer
        permission_classes = [DjangoModelPermissions]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .api_consumer import AsyncAPIConsumer
from .generics import GenericAsyncAPIConsumer
from .socket_consumer import SocketConsumer

if TYPE_CHECKING:
    from .django_views import DjangoViewAsConsumer, view_as_consumer
    from .model_consumers import ModelConsumer, ReadOnlyModelConsumer

__all__ = [
    "APIConsumerMetaclass",
    "AsyncAPIConsumer",
    "DjangoViewAsConsumer",
    "GenericAsyncAPIConsumer",
    "ModelConsumer",
    "ReadOnlyModelConsumer",
    "SocketConsumer",
    "view_as_consumer",
]

APIConsumerMetaclass = type
"""The metaclass of consumers, by its name in djangochannelsrestframework. They need no own one."""


def __getattr__(name: str) -> Any:
    """Import what many projects do not use when it is first used: a third of all imports."""
    if name in ("ModelConsumer", "ReadOnlyModelConsumer"):
        return getattr(import_module(".model_consumers", __package__), name)
    if name in ("DjangoViewAsConsumer", "view_as_consumer"):
        return getattr(import_module(".django_views", __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
