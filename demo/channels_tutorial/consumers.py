"""The plain Channels lesson, made into a room. Nothing in this file is ours."""

import json

from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer


class ChatConsumer(WebsocketConsumer):
    def connect(self):
        self.room = "chat_" + self.scope["url_route"]["kwargs"]["room_name"]
        async_to_sync(self.channel_layer.group_add)(self.room, self.channel_name)
        self.accept()

    def disconnect(self, close_code):
        async_to_sync(self.channel_layer.group_discard)(self.room, self.channel_name)

    def receive(self, text_data):
        text_data_json = json.loads(text_data)
        message = text_data_json["message"]
        user = self.scope["user"].get_username() or "somebody"

        async_to_sync(self.channel_layer.group_send)(
            self.room, {"type": "chat.message", "message": message, "user": user}
        )

    def chat_message(self, event):
        self.send(text_data=json.dumps({"message": event["message"], "user": event["user"]}))
