"""A site that two server processes share."""

import json
import time

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.groups import Channel, Group
from rest_channels.views import SocketView


class Room(SocketView):
    """Calls the method that a frame names: `{"broadcast": …}`, `{"join": […]}` and so on."""

    async def connect(self, request, name):
        await self.join(name)

    async def receive(self, request, name):
        [(verb, data)] = request.data.items()
        self.send_json(await getattr(self, f"on_{verb}")(data, name))

    async def on_broadcast(self, data, name):
        await self.broadcast(name, data)
        return "broadcast"

    async def on_join(self, names, name):
        for group in names:
            await self.join(group)
        return "joined"

    async def on_address(self, _nothing, name):
        return self.request.reply_channel.name

    async def on_add(self, data, name):
        group, address = data
        await Group(group).aadd(address)
        await Group(group).asend({"text": json.dumps(f"welcome to {group}")})
        return "added"

    async def on_send(self, data, name):
        address, text = data
        await Channel(address).asend({"text": json.dumps(text)})
        return "sent"

    async def on_block(self, seconds, name):
        time.sleep(seconds)  # blocks the event loop  # noqa: ASYNC251
        return "blocked"

    def gap(self, request, groups, name):
        self.send_json({"gap": sorted(set(groups) - {request.reply_channel.name})})


class Quiet(Room):
    """A room that ignores gaps."""

    def gap(self, request, groups, name):
        pass


class LibraryConsumer(SocketConsumer):
    groups = ["mixed"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("mixed", {"type": "mixed.line", "text": content})

    def mixed_line(self, event):
        self.send_json({"library": event["text"]})


class PlainConsumer(AsyncJsonWebsocketConsumer):
    groups = ["mixed"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("mixed", {"type": "mixed.line", "text": content})

    async def mixed_line(self, event):
        await self.send_json({"plain": event["text"]})


class Named(SocketConsumer):
    """Sends its channel name, so that other processes can send to it with the layer's methods."""

    def connect(self):
        self.send_json(self.channel_name)

    def line(self, event):
        self.send_json(event["text"])


urlpatterns = [
    path("room/<name>/", Room.as_asgi()),
    path("quiet/<name>/", Quiet.as_asgi()),
    path("library/", LibraryConsumer.as_asgi()),
    path("plain/", PlainConsumer.as_asgi()),
    path("named/", Named.as_asgi()),
]
