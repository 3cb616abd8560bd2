"""All consumer classes. Each connection has an instance of its own.

`SocketConsumer` has the method names of Channels' consumers, `AsyncAPIConsumer` those of
djangochannelsrestframework. A `ModelConsumer` is to a `GenericAsyncAPIConsumer` what DRF's
`ModelViewSet` is to its `GenericViewSet`:

    class Tickets(ModelConsumer):
        queryset = Ticket.objects.all()
        serializer_class = TicketSerializer
        permission_classes = [DjangoModelPermissions]
"""

from .api_consumer import AsyncAPIConsumer
from .django_views import DjangoViewAsConsumer, view_as_consumer
from .generics import GenericAsyncAPIConsumer
from .mixins import (
    CreateModelMixin,
    DeleteModelMixin,
    PaginatedModelListMixin,
    PatchModelMixin,
    UpdateModelMixin,
)
from .observer.generics import ObserverModelInstanceMixin
from .socket_consumer import SocketConsumer

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


class ReadOnlyModelConsumer(
    PaginatedModelListMixin, ObserverModelInstanceMixin, GenericAsyncAPIConsumer
):
    """`list`, `retrieve`, `subscribe_instance` and `unsubscribe_instance`."""


class ModelConsumer(
    CreateModelMixin, UpdateModelMixin, PatchModelMixin, DeleteModelMixin, ReadOnlyModelConsumer
):
    """`create`, `update`, `patch`, `delete`, and the actions of `ReadOnlyModelConsumer`."""
