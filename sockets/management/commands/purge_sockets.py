"""`purge_sockets`: delete what servers have left that died."""

from typing import Any

from ...presence import purge
from ..filters import SocketCommand

__all__ = ["Command"]


class Command(SocketCommand):
    """Deletes the rows of dead processes. Servers do so too, at every beat, while one lives."""

    help = "Delete the rows of server processes that have died."

    def handle(self, *args: Any, **options: Any) -> None:
        number = purge(self.chosen(options))
        self.answer(options, {"deleted": number}, f"Rows of dead processes deleted: {number}.")
