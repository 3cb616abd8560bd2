"""`socket_schema`: write the AsyncAPI schema of the project's sockets, or a typed client."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...introspection.sockets import describe_sockets

__all__ = ["Command"]

INSTALL = "This needs drf-spectacular: pip install drf-spectacular"


class Command(BaseCommand):
    """Write what each socket takes and sends, or compare it with a committed schema."""

    help = "Write the AsyncAPI 3.0 schema of the project's sockets, or a TypeScript client."
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let `--version` be that of the schema. Django's own prints its release."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        formats = ["json", "yaml", "ts"]
        parser.add_argument("--format", choices=formats, default="json", help="default: json")
        parser.add_argument("--output", type=Path, help="the file to write; default: print")
        parser.add_argument("--check", type=Path, metavar="FILE", help="compare with this schema")
        parser.add_argument("--title", default="Sockets", help="the name of the project")
        parser.add_argument("--version", default="1", help="the version of the project's sockets")
        parser.add_argument("--server", help="the URL of a server, such as wss://example.com")
        parser.add_argument(
            "--client",
            default="django-rest-channels",
            help="the module that a TypeScript client imports client.js by",
        )

    def handle(self, *args: Any, **options: Any) -> str | None:
        document = self._document(options)
        if (committed := options["check"]) is not None:
            return self._compare(committed, document)
        text = _written(document, options)
        if (path := options["output"]) is None:
            return text.removesuffix("\n")
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"--output {path} cannot be written: {error.strerror}.") from error
        return None

    def _document(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            from ...schema.document import build_document  # noqa: PLC0415 - an optional dependency
        except ModuleNotFoundError as error:
            raise CommandError(f"{INSTALL} ({error.name} is missing).") from error
        document = build_document(
            describe_sockets(),
            title=options["title"],
            version=options["version"],
            server=options["server"],
        )
        built = document.as_dict()
        for unknown in document.components.unknown:
            self.stderr.write(f"Its fields are unknown without a request: {unknown}")
        return built

    def _compare(self, path: Path, document: dict[str, Any]) -> str:
        """Print the differences. Raises `SystemExit` (1) if one breaks clients."""
        from ...schema.comparison import compare  # noqa: PLC0415 - an optional dependency

        differences = compare(_read(path), document)
        if not differences:
            return f"{path} is up to date."
        for difference in differences:
            self.stdout.write(str(difference))
        if any(difference.breaking for difference in differences):
            raise SystemExit(1)
        return f"Nothing breaks clients. Write the new schema: manage.py socket_schema > {path}"


def _read(path: Path) -> dict[str, Any]:
    """Return the schema in a file of JSON or YAML. Raises `CommandError` if it has none."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            import yaml  # noqa: PLC0415 - an optional dependency

            found = yaml.safe_load(text)
        else:
            found = json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or "asyncapi" not in found:
        raise CommandError(f"{path} is no schema that socket_schema has written.")
    return found


def _written(document: dict[str, Any], options: dict[str, Any]) -> str:
    """Return the document, or the TypeScript client, as the text of a file."""
    if options["format"] == "ts":
        from ...schema.typescript_client import typescript_of  # noqa: PLC0415 - not used else

        return typescript_of(document, options["client"])
    if options["format"] == "yaml":
        import yaml  # noqa: PLC0415 - an optional dependency

        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
