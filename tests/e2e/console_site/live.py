"""The demo's sockets, and others that its pages do not need."""

from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework import authentication, permissions, serializers

from demo import live
from demo.plants.consumers import PlantConsumer
from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.multiplexer import Multiplexer
from rest_channels.views import SocketRouteView, SocketView


class Echo(SocketView):
    """Sends each frame back.

    A frame is any JSON. The key "close" closes with that code, "times" repeats the frame.
    """

    def receive(self, request, room="none"):
        """Echo the frame."""
        content = request.data if isinstance(request.data, dict) else {}
        if "close" in content:
            self.close(content["close"])
        for _ in range(content.get("times", 1)):
            self.send_json({"room": room, "echo": request.data})


class Bytes(SocketConsumer):
    """Sends text as bytes, and the number of bytes as text."""

    async def receive(self, text_data=None, bytes_data=None):
        if bytes_data is None:
            await self.send(bytes_data=text_data.encode())
        else:
            await self.send(text_data=str(len(bytes_data)))


class Bar(SocketRouteView):
    """Takes orders."""

    @socket_route
    def order(self, request, data):
        """Order a drink, such as `{"cups": 2}`."""
        if not isinstance(data, dict) or data.get("cups", 0) < 1:
            raise serializers.ValidationError({"cups": ["Order at least one cup."]})
        return data


class Members(AsyncAPIConsumer):
    """For members only."""

    permission_classes = [permissions.IsAdminUser]

    @action()
    def greet(self, name: str, loud: bool = False):
        """Greet a member."""
        return {"text": name.upper() if loud else name}, 200


class OneToken(authentication.BaseAuthentication):
    """Accepts the token "secret", which is ada's."""

    def authenticate(self, request):
        if request.headers.get("Authorization") != "Bearer secret":
            return None
        return get_user_model().objects.get(username="ada"), "secret"


class Tokens(AsyncAPIConsumer):
    """For clients with a token."""

    authentication_classes = [OneToken]
    permission_classes = [permissions.IsAuthenticated]

    @action()
    def whoami(self):
        """Answer with the name of the user."""
        return {"name": self.scope["user"].username}, 200


urlpatterns = [
    path("ws/echo/<slug:room>/", Echo.as_asgi()),
    path("ws/bytes/", Bytes.as_asgi()),
    path("ws/bar/", Bar.as_asgi()),
    path("ws/members/", Members.as_asgi()),
    path("ws/tokens/", Tokens.as_asgi()),
    path("ws/streams/", Multiplexer(plants=PlantConsumer.as_asgi(), members=Members.as_asgi())),
    *live.urlpatterns,
]
