"""The base class of the `sockets` commands: filters and output."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from ..models import Socket, SocketQuerySet

__all__ = ["SocketFilterCommand"]


class SocketFilterCommand(BaseCommand):
    """A command that takes `--path`, `--user` and `--json`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--path", help="only sockets on this path, for example /table/1/")
        parser.add_argument("--user", metavar="NAME", help="only sockets of this user")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def filtered_sockets(self, options: dict[str, Any]) -> SocketQuerySet:
        """Return the sockets that `--path` and `--user` select; without these options, all."""
        sockets = Socket.every_partition.all()
        if options["path"] is not None:
            sockets = sockets.filter(path=options["path"])
        if options["user"] is not None:
            sockets = sockets.filter(user=_get_user(options["user"]))
        return sockets

    def write_result(self, options: dict[str, Any], content: Any, text: str) -> None:
        """Print `text`, or `content` as JSON with `--json`."""
        if options["json"]:
            text = json.dumps(content, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        self.stdout.write(text)


def _get_user(name: str) -> Any:
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user called {name!r}.")
    return user
