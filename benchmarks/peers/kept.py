"""This library, with a group that keeps its last messages in memory."""

from rest_channels.history import History

from . import ours
from .base import Peer


class Room(ours.Room):
    """Sends each frame to all members, with its offset."""

    histories = {"room": History(size=100)}


PEER = Peer("kept", {"room": Room.as_asgi()})
