from rest_channels.decorators import socket_route
from rest_channels.views import SocketRouteView


class Game(SocketRouteView):
    @socket_route
    def move(self, request, data, pk):  # {"method": "move", "data": {"to": "e4"}}
        return {"moved": data["to"]}  # {"method": "move", "data": {"moved": "e4"}, "status": 200}

    @socket_route("give-up")
    async def resign(self, request, data, pk):
        self.broadcast(f"game-{pk}", {"over": True})
        return {"sorry": True}, 202
