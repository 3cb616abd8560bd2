from rest_channels.consumers import SocketConsumer


class Chat(SocketConsumer):
    groups = ["lobby"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("lobby", {"type": "chat.line", "line": content["line"]})

    async def chat_line(self, event):
        await self.send_json({"line": event["line"]})
