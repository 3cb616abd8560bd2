"""`ping_sockets`: ask who is still there."""

from typing import Any

from rest_channels.cluster.layer import crosses_processes

from ...models import Socket
from ..filters import SocketCommand

__all__ = ["Command"]


class Command(SocketCommand):
    """Marks sockets inactive and sends them a PING; who answers is active again."""

    help = "Ask sockets for a sign of life: they are inactive until they answer."

    def handle(self, *args: Any, **options: Any) -> None:
        sockets = self.chosen(options)
        if sockets is None:
            sockets = Socket.objects.all()
        if not crosses_processes():
            self.stderr.write("CHANNEL_LAYERS reaches no other process: servers do not hear this.")
        number = sockets.cleanup_stale()
        self.answer(options, {"asked": number}, f"Sockets asked for a sign of life: {number}.")
