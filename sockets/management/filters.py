"""What the commands of `sockets` have in common: which sockets they mean, and how they answer."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from ..models import Socket, SocketQuerySet

__all__ = ["SocketCommand"]


class SocketCommand(BaseCommand):
    """A command that takes `--path`, `--user` and `--json`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--path", help="only sockets on this path, as /table/1/")
        parser.add_argument("--user", metavar="NAME", help="only the sockets of this user")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def chosen(self, options: dict[str, Any]) -> SocketQuerySet | None:
        """Those that `options` name; `None` if they name none. Raises `CommandError`."""
        if options["path"] is None and options["user"] is None:
            return None
        sockets = Socket.objects.all()
        if options["path"] is not None:
            sockets = sockets.filter(path=options["path"])
        if options["user"] is not None:
            sockets = sockets.filter(user=_called(options["user"]))
        return sockets

    def answer(self, options: dict[str, Any], content: Any, text: str) -> None:
        """Print `content` as JSON, or the `text` that says the same."""
        if options["json"]:
            text = json.dumps(content, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        self.stdout.write(text)


def _called(name: str) -> Any:
    """The user whose name it is. Raises `CommandError`."""
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user called {name!r}.")
    return user
