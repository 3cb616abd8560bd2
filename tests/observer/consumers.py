"""Consumers that every process imports, because the module has this name."""

from django.contrib.auth.models import Group
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import (
    ObserverModelInstanceMixin,
    ObserverModelListMixin,
    model_observer,
)


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class Groups(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    """The groups of `django.contrib.auth`: one row, or all rows by their first letter."""

    queryset = Group.objects.all()
    serializer_class = GroupSerializer

    every = model_observer(Group, serializer_class=GroupSerializer)

    @every.groups_for_signal
    def every(self, instance, **kwargs):
        yield instance.name[:1]

    @every.groups_for_consumer
    def every(self, letter, **kwargs):
        yield letter

    @action()
    async def subscribe(self, request_id, letter):
        await self.every.subscribe(letter=letter, request_id=request_id)
        return None, 201

    async def gap(self, groups):
        await self.send_json({"gap": bool(groups)})


class GroupLists(ObserverModelListMixin, GenericAsyncAPIConsumer):
    """The groups by their names."""

    queryset = Group.objects.order_by("name")
    serializer_class = GroupSerializer
    live_limit = None
