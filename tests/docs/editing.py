from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import model_observer
from rest_channels.permissions import IsAuthenticated

from .models import Note


class Editing(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]

    @model_observer(Note)
    async def edited(self, message, action, subscribing_request_ids, **kwargs):
        if message["by"] != self.scope["user"].pk:
            for request_id in subscribing_request_ids:
                await self.reply(action, data=message, request_id=request_id)

    @edited.serializer
    def edited(self, instance, action, **kwargs):
        return {"id": instance.pk, "title": instance.title, "by": getattr(instance, "by", None)}

    @action()
    async def subscribe_to_edits(self, request_id):
        await self.edited.subscribe(request_id=request_id)
        return None, 201
