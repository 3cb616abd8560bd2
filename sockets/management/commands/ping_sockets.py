"""`ping_sockets`: find out which clients still answer."""

from typing import Any

from rest_channels.cluster.layer import crosses_processes

from ..base import SocketFilterCommand

__all__ = ["Command"]


class Command(SocketFilterCommand):
    """Mark sockets inactive and send each a PING. Clients that answer are active again."""

    help = "Send a PING to open sockets. Each is marked inactive until its client answers."

    def handle(self, *args: Any, **options: Any) -> None:
        if not crosses_processes():
            self.stderr.write("CHANNEL_LAYERS reaches no other process. Configure channels_redis.")
        number = self.filtered_sockets(options).cleanup_stale()
        self.write_result(options, {"asked": number}, f"Sockets pinged: {number}.")
