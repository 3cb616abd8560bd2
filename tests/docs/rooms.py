from rest_framework.serializers import CharField, ChoiceField, Serializer, SlugField

from rest_channels.consumers import SocketConsumer


class CommandSerializer(Serializer):
    command = ChoiceField(["enter", "leave", "say"])
    room = SlugField(max_length=50)
    line = CharField(max_length=500, default="")


class Rooms(SocketConsumer):
    groups = ["news"]  # joined before connect() runs

    async def receive_json(self, content):
        serializer = CommandSerializer(data=content)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        group = f"room-{data['room']}"
        if data["command"] == "enter":
            await self.add_group(group)
            await self.send_json({"entered": data["room"]})
        elif data["command"] == "leave":
            await self.remove_group(group)
        else:
            event = {"type": "room.line", "room": data["room"], "line": data["line"]}
            await self.channel_layer.group_send(group, event)

    async def room_line(self, event):
        await self.send_json({"room": event["room"], "line": event["line"]})

    async def gap(self, groups):
        await self.send_json({"reload": list(groups)})
