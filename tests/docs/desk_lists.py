from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import live_query
from rest_channels.permissions import IsAuthenticated

from .live_notes import NoteSerializer
from .models import Note


def writers_of(notes):
    return Note.writers.through.objects.filter(note__in=notes).values_list("note", "user")


class DeskLists(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]

    @live_query(serializer_class=NoteSerializer, viewers=writers_of)
    def drafts(self):
        return Note.objects.filter(writers=self.scope["user"]).order_by("title")[:20]

    @action(response=drafts)
    async def watch_drafts(self, request_id, have=None):
        return await self.drafts.subscribe(request_id=request_id, have=have), 201

    @action()
    async def unwatch_drafts(self, request_id):
        await self.drafts.unsubscribe(request_id=request_id)
        return None, 204
