"""Code that is made in a method of a connection does not keep the connection alive."""

import gc
import weakref

import pytest
from asgiref.sync import markcoroutinefunction
from rest_framework.permissions import BasePermission as DRFPermission

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.permissions import BasePermission
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.usefixtures("without_collections")


def of_library(consumer):
    class Own(BasePermission):
        async def has_permission(self, scope, consumer, action, **kwargs):
            return owner is consumer

    owner = consumer
    return Own


def of_library_in_thread(consumer):
    class Own(BasePermission):
        def has_permission(self, scope, consumer, action, **kwargs):
            return owner is consumer

    owner = consumer
    return Own


def of_drf(consumer):
    class Own(DRFPermission):
        def has_permission(self, request, view):
            return owner is consumer

    owner = consumer
    return Own


def without_base(consumer):
    class Own:
        async def has_permission(self, scope, consumer, **kwargs):
            return owner is consumer

    owner = consumer
    return Own


def marked(consumer):
    class Own(BasePermission):
        def has_permission(self, scope, consumer, action, **kwargs):
            return self.find(owner)

        async def find(self, found):
            return found is owner

    owner = consumer
    markcoroutinefunction(Own.has_permission)
    return Own


@pytest.mark.parametrize("make", [of_library, of_library_in_thread, of_drf, without_base, marked])
async def test_a_permission_class_that_a_method_makes_keeps_no_consumer(make, settle) -> None:
    class Desk(AsyncAPIConsumer):
        async def get_permissions(self, action=None, **kwargs):
            consumers.append(weakref.ref(self))
            return [make(self)()]

        @action()
        async def look(self):
            return None, 200

    consumers = []
    async with SocketCommunicator(Desk.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("look"), status=200)
    gc.collect()  # a class is a cycle
    await settle(lambda: consumers[0]() is None)
