from rest_framework.serializers import CharField, Serializer

from rest_channels.consumers import SocketConsumer


class LineSerializer(Serializer):
    line = CharField(max_length=500)


class Chat(SocketConsumer):
    groups = ["lobby"]

    async def receive_json(self, content):
        serializer = LineSerializer(data=content)
        serializer.is_valid(raise_exception=True)
        event = {"type": "chat.line", "line": serializer.data["line"]}
        await self.channel_layer.group_send("lobby", event)

    async def chat_line(self, event):
        await self.send_json({"line": event["line"]})
