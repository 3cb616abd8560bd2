from rest_channels.groups import Group
from rest_channels.routing import route, route_class

from .lobby_chat import Chat


def on_connect(message, name):
    Group(f"hall-{name}").add(message.reply_channel)


def on_receive(message, name):
    Group(f"hall-{name}").send({"text": message["text"]})


routing = [
    route("websocket.connect", on_connect, path=r"^/hall/(?P<name>\w+)/$"),
    route("websocket.receive", on_receive, path=r"^/hall/(?P<name>\w+)/$"),
    route_class(Chat, path=r"^/chat/$"),
]
