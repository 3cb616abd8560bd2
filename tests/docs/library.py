import asyncio

from channels.db import database_sync_to_async
from rest_framework.serializers import ModelSerializer

from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import (
    CreateModelMixin,
    PaginatedModelListMixin,
    PatchModelMixin,
    RetrieveModelMixin,
)
from rest_channels.permissions import BasePermission, IsAuthenticated

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title", "text"]


class NoShouting(BasePermission):
    async def has_permission(self, scope, consumer, action, data=None, **kwargs):
        title = data.get("title") if isinstance(data, dict) else None
        return not (isinstance(title, str) and title.isupper())

    async def can_connect(self, scope, consumer, message=None):
        return scope["path"] != "/ws/closed/"


class Library(
    CreateModelMixin,
    RetrieveModelMixin,
    PatchModelMixin,
    PaginatedModelListMixin,
    GenericAsyncAPIConsumer,
):
    queryset = Note.objects.order_by("pk")
    serializer_class = NoteSerializer
    permission_classes = [IsAuthenticated, NoShouting]

    def get_queryset(self, **kwargs):
        return super().get_queryset(**kwargs).filter(writers=self.scope["user"])

    def perform_create(self, serializer, **kwargs):
        serializer.save().writers.add(self.scope["user"])

    @action()
    def clear(self, pk, **kwargs):
        note = self.get_object(pk=pk)
        note.text = ""
        note.save()
        return self.get_serializer(instance=note, action_kwargs=kwargs).data, 200

    @action(detached=True)
    async def count(self, **kwargs):
        await asyncio.sleep(0.01)  # wait for another service
        return {"notes": await database_sync_to_async(self.get_queryset().count)()}, 200
