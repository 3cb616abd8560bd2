"""The third step of the Channels tutorial: a channel layer on Redis, in a `SocketApplication`."""

import json

import pytest
from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer
from channels.layers import channel_layers
from django.test import override_settings
from django.urls import re_path

from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests.brokers import LAYERS, layers


class ChatConsumer(WebsocketConsumer):
    def connect(self):
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        async_to_sync(self.channel_layer.group_add)(self.room_name, self.channel_name)
        self.accept()

    def disconnect(self, close_code):
        async_to_sync(self.channel_layer.group_discard)(self.room_name, self.channel_name)

    def receive(self, text_data):
        event = {"type": "chat.message", "message": json.loads(text_data)["message"]}
        async_to_sync(self.channel_layer.group_send)(self.room_name, event)

    def chat_message(self, event):
        self.send(text_data=json.dumps({"message": event["message"]}))


@pytest.mark.django_db(transaction=True)  # Channels checks database connections for every message
@pytest.mark.parametrize("layer", LAYERS)
async def test_a_message_sent_in_one_tab_appears_in_another(layer, redis_url) -> None:
    app = SocketApplication([re_path(r"ws/chat/(?P<room_name>\w+)/$", ChatConsumer.as_asgi())])
    with override_settings(CHANNEL_LAYERS=layers(layer, redis_url)):
        async with (
            SocketCommunicator(app, "/ws/chat/den/") as first,
            SocketCommunicator(app, "/ws/chat/den/") as second,
        ):
            await first.send_json({"message": "hello"})
            await first.expect_event({"message": "hello"})
            await second.expect_event({"message": "hello"})
        await channel_layers["default"].flush()
        if hasattr(channel_layers["default"], "close_pools"):
            await channel_layers["default"].close_pools()
