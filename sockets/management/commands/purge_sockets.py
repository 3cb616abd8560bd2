"""`purge_sockets`: delete the rows of dead server processes."""

from typing import Any

from ...presence import purge
from ..base import SocketFilterCommand

__all__ = ["Command"]


class Command(SocketFilterCommand):
    """Delete the rows of dead processes. Running servers also do so at every heartbeat."""

    help = "Delete the rows that dead server processes left behind."

    def handle(self, *args: Any, **options: Any) -> None:
        is_filtered = options["path"] is not None or options["user"] is not None
        number = purge(self.filtered_sockets(options) if is_filtered else None)
        text = f"Rows of dead processes deleted: {number}."
        self.write_result(options, {"deleted": number}, text)
