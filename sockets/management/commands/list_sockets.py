"""`list_sockets`: print the open connections as a table or as JSON."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import is_aware, localtime

from ...models import Socket
from ..base import SocketFilterCommand

__all__ = ["Command"]

HEADINGS = ("user", "path", "address", "since", "last ping", "active", "server process")


class Command(SocketFilterCommand):
    """Print open sockets, the oldest first; with `--all` also those of dead processes."""

    help = "List the open sockets with their user, path, IP address and start time."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--all", action="store_true", help="include rows of dead server processes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sockets = self.filtered_sockets(options)
        if not options["all"]:
            sockets = sockets.online()
        rows = list(sockets.select_related("user").order_by("connected_at", "pk"))
        table = _table([HEADINGS, *map(_cells, rows)])
        self.write_result(options, [_record(row) for row in rows], table)


def _record(row: Socket) -> dict[str, Any]:
    return {
        "pk": row.pk,
        "channel_name": row.channel_name,
        "user": None if row.user is None else row.user.get_username(),
        "user_id": row.user_id,
        "path": row.path,
        "user_ip": row.user_ip,
        "connected_at": row.connected_at,
        "last_ping": row.last_ping,
        "active": row.active,
        "node": row.node_id,
    }


def _cells(row: Socket) -> tuple[str, ...]:
    return (
        "-" if row.user is None else _printable(row.user.get_username()),
        _printable(row.path),
        _printable(row.user_ip or "-"),
        _format_time(row.connected_at),
        _format_time(row.last_ping),
        "yes" if row.active else "no",
        row.node_id or "-",
    )


def _format_time(time: datetime | None) -> str:
    if time is None:
        return "-"
    return f"{localtime(time) if is_aware(time) else time:%Y-%m-%d %H:%M:%S}"


def _printable(text: str) -> str:
    """Escape control characters: clients choose their path, and could control the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _table(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
