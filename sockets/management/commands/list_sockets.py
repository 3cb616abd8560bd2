"""`list_sockets`: who is connected, as a table or as JSON."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import is_aware, localtime

from ...models import Socket
from ..filters import SocketCommand

__all__ = ["Command"]

HEADINGS = ("user", "path", "address", "since", "last sign of life", "active", "server process")


class Command(SocketCommand):
    """Prints those whose server process lives, or `--all`; the oldest connection first."""

    help = "List the open sockets: who, on which page, since when, from where."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--all", action="store_true", help="those of dead processes too")

    def handle(self, *args: Any, **options: Any) -> None:
        sockets = self.chosen(options)
        if sockets is None:
            sockets = Socket.objects.all()
        if not options["all"]:
            sockets = sockets.online()
        rows = list(sockets.select_related("user").order_by("connected_at", "pk"))
        lines = [HEADINGS, *map(_cells, rows)]
        self.answer(options, [_record(row) for row in rows], _table(lines))


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
        "-" if row.user is None else _harmless(row.user.get_username()),
        _harmless(row.path),
        _harmless(row.user_ip or "-"),
        _moment(row.connected_at),
        _moment(row.last_ping),
        "yes" if row.active else "no",
        row.node_id or "-",
    )


def _moment(time: datetime | None) -> str:
    if time is None:
        return "-"
    return f"{localtime(time) if is_aware(time) else time:%Y-%m-%d %H:%M:%S}"


def _harmless(text: str) -> str:
    """`text` without what commands a terminal: a client has chosen it."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _table(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
