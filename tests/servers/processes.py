"""A site that two server processes share, and a third process that serves nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.groups import Channel, Group
from rest_channels.views import SocketView

ROOT = Path(__file__).parents[2]


class Room(SocketView):
    """Does what its clients ask for: `{"say": …}`, `{"join": […]}` and so on."""

    async def connect(self, request, name):
        await self.join(name)

    async def receive(self, request, name):
        [(verb, data)] = request.data.items()
        self.send_json(await getattr(self, f"on_{verb}")(data, name))

    async def on_say(self, data, name):
        await self.broadcast(name, data)
        return "said"

    async def on_join(self, names, name):
        for one in names:
            await self.join(one)
        return "joined"

    async def on_address(self, _nothing, name):
        return self.request.reply_channel.name

    async def on_add(self, data, name):
        group, address = data
        await Group(group).aadd(address)
        await Group(group).asend({"text": json.dumps(f"welcome to {group}")})
        return "added"

    async def on_tell(self, data, name):
        address, text = data
        await Channel(address).asend({"text": json.dumps(text)})
        return "told"

    async def on_block(self, seconds, name):
        time.sleep(seconds)  # the whole loop stands still  # noqa: ASYNC251
        return "blocked"

    def gap(self, request, groups, name):
        self.send_json({"gap": sorted(groups)})


class Quiet(Room):
    """A room that says nothing of gaps."""

    def gap(self, request, groups, name):
        pass


class Ours(SocketConsumer):
    groups = ["mixed"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("mixed", {"type": "mixed.line", "text": content})

    def mixed_line(self, event):
        self.send_json({"ours": event["text"]})


class Theirs(AsyncJsonWebsocketConsumer):
    groups = ["mixed"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("mixed", {"type": "mixed.line", "text": content})

    async def mixed_line(self, event):
        await self.send_json({"theirs": event["text"]})


class Named(SocketConsumer):
    """Whoever has its name may speak to it by the layer's verbs."""

    def connect(self):
        self.send_json(self.channel_name)

    def line(self, event):
        self.send_json(event["text"])


urlpatterns = [
    path("room/<name>/", Room.as_asgi()),
    path("quiet/<name>/", Quiet.as_asgi()),
    path("ours/", Ours.as_asgi()),
    path("theirs/", Theirs.as_asgi()),
    path("named/", Named.as_asgi()),
]


class Shell:
    """A process of the site that serves nothing: `shell("User.objects.…")` runs code there.

    Names live on from call to call; `result` is what comes back, as JSON.
    """

    LOOP = (
        "import django, json, sys\n"
        "django.setup()\n"
        "names = {}\n"
        "for line in sys.stdin:\n"
        "    exec(json.loads(line), names)\n"
        "    print(json.dumps(names.pop('result', None)), flush=True)\n"
    )

    def __init__(self, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.LOOP],
            cwd=ROOT,
            env={**os.environ, **environ, "DJANGO_SETTINGS_MODULE": "tests.servers.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, code: str):
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()
