from rest_framework.serializers import RegexField, Serializer

from rest_channels.decorators import socket_route
from rest_channels.views import SocketRouteView


class MoveSerializer(Serializer):
    to = RegexField("^[a-h][1-8]$")


class Game(SocketRouteView):
    def connect(self, request, pk):
        self.join(f"game-{pk}")

    @socket_route
    def move(self, request, data, pk):  # {"method": "move", "data": {"to": "e4"}}
        serializer = MoveSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        return {"moved": serializer.data["to"]}  # {"method": "move", "data": …, "status": 200}

    @socket_route("give-up")
    async def resign(self, request, data, pk):
        self.broadcast(f"game-{pk}", {"over": True})
        return {"sorry": True}, 202
