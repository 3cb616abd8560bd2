from rest_channels.consumers import SocketConsumer


class Lobby(SocketConsumer):
    async def connect(self):
        self.room = "lobby-" + self.scope["url_route"]["kwargs"]["name"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive_json(self, content):
        await self.channel_layer.group_send(
            self.room, {"type": "chat.line", "line": content["line"]}
        )

    async def chat_line(self, event):
        await self.send_json({"line": event["line"]})
