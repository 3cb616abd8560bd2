"""`ModelConsumer` and `ReadOnlyModelConsumer`: all actions of a model, and subscriptions to a row.

A module of its own, which `consumers` imports when one of the two is first used: only they need
the mixins, pagination and observers.
"""

from .generics import GenericAsyncAPIConsumer
from .mixins import (
    CreateModelMixin,
    DeleteModelMixin,
    PaginatedModelListMixin,
    PatchModelMixin,
    UpdateModelMixin,
)
from .observer.generics import ObserverModelInstanceMixin

__all__ = ["ModelConsumer", "ReadOnlyModelConsumer"]


class ReadOnlyModelConsumer(
    PaginatedModelListMixin, ObserverModelInstanceMixin, GenericAsyncAPIConsumer
):
    """`list`, `retrieve`, `subscribe_instance` and `unsubscribe_instance`."""

    refuse_after_accepting = True  # djangochannelsrestframework has no such class


class ModelConsumer(
    CreateModelMixin, UpdateModelMixin, PatchModelMixin, DeleteModelMixin, ReadOnlyModelConsumer
):
    """`create`, `update`, `patch`, `delete`, and the actions of `ReadOnlyModelConsumer`."""
