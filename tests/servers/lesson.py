"""The consumer of the Channels lesson, with the `.as_asgi()` that its errata add.

Source: the lesson on plain Channels consumers.
"""

import json

from channels.generic.websocket import WebsocketConsumer
from django.urls import re_path


class ChatConsumer(WebsocketConsumer):
    def connect(self):
        self.accept()

    def disconnect(self, close_code):
        pass

    def receive(self, text_data):
        text_data_json = json.loads(text_data)
        message = text_data_json["message"]

        self.send(text_data=json.dumps({"message": message}))


websocket_urlpatterns = [
    re_path(r"ws/chat/(?P<room_name>\w+)/$", ChatConsumer.as_asgi()),
]
