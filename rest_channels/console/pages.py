"""What a page of the console shows of a socket, for its template and its script."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from math import isfinite
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.encoding import force_str
from django.utils.translation import gettext as _

from ..introspection.descriptions import (
    NAMING_DIALECTS,
    Argument,
    Operation,
    SocketDescription,
    hint_name,
)
from ..introspection.examples import example_frame, fields_of
from .close_codes import close_codes, other_codes
from .texts import TEXTS

__all__ = ["page_data", "page_key", "socket_data"]

CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
"""Words in backquotes: `one` or ``several``, as in Markdown and reStructuredText."""


def page_data(sockets: list[SocketDescription], path: str | None) -> dict[str, Any]:
    """Return what the page of `sockets` shows; everything in it can be JSON.

    Args:
        sockets: One socket, or the streams of one.
        path: The path to connect to. `None`: the page asks for the arguments in it.
    """
    return {
        "path": path,
        "prefix": get_script_prefix().rstrip("/"),
        "application": settings.ASGI_APPLICATION or "mysite.asgi.application",
        "client": static("rest_channels/client.js"),
        "takesToken": any(each.takes_token for each in sockets),
        "sockets": [socket_data(each) for each in sockets],
        "closeCodes": close_codes(),
        "otherCodes": other_codes(),
        "texts": TEXTS,
    }


def page_key(socket: SocketDescription) -> str:
    """Return what the URL of the page of `socket` has: its path, as `/tables/int:pk/`.

    Other routes do not change it. Streams of one multiplexer have the same key.
    """
    return re.sub(r"<(\w+:)?(\w+)>", lambda found: f"{found[1] or ':'}{found[2]}", socket.path)


def socket_data(socket: SocketDescription) -> dict[str, Any]:
    """Return what pages show of `socket`; everything in it can be JSON."""
    return {
        "path": socket.path,
        "pageKey": page_key(socket),
        "pathArguments": [_argument(each) for each in socket.path_arguments],
        "stream": socket.stream,
        "name": socket.name,
        "dialect": socket.dialect,
        "key": socket.dialect if socket.dialect in NAMING_DIALECTS else None,
        **_described(socket.description),
        "permissions": list(socket.permissions),
        "operations": [_operation(each, socket) for each in socket.operations],
    }


def _described(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "summary": _spans(description.partition("\n")[0]),
        "blocks": list(_blocks(description)),
    }


def _blocks(description: str) -> Iterator[dict[str, Any]]:
    """Yield the paragraphs of a docstring: text, whose lines may be joined, and what may not."""
    lines = description.splitlines()
    for is_text, group in groupby(lines, key=lambda line: bool(line.strip())):
        if is_text:
            paragraph = list(group)
            is_code = any(line.startswith((" ", "* ", "- ", ">>> ")) for line in paragraph)
            text = ("\n" if is_code else " ").join(paragraph)
            yield {"isCode": is_code, "spans": [_span(text)] if is_code else _spans(text)}


def _spans(text: str) -> list[dict[str, Any]]:
    """Split a text at its words in backquotes, which pages show as code."""
    spans, end = [], 0
    for found in CODE.finditer(text):
        spans += [_span(text[end : found.start()]), _span(found[2].strip(), is_code=True)]
        end = found.end()
    return [each for each in (*spans, _span(text[end:])) if each["text"]]


def _span(text: str, *, is_code: bool = False) -> dict[str, Any]:
    return {"text": text, "isCode": is_code}


def _operation(operation: Operation, socket: SocketDescription) -> dict[str, Any]:
    fields = fields_of(operation.content) or {}
    example = json.loads(_json(example_frame(operation, socket.dialect)))
    framed = example if socket.stream is None else {"stream": socket.stream, "payload": example}
    return {
        "name": operation.name,
        "isPattern": operation.is_pattern,
        **_described(operation.description),
        "permissions": list(operation.permissions),
        "arguments": [_argument(each) for each in operation.arguments],
        "fields": [_field(name, fields[name]) for name in fields if name != socket.dialect],
        "takesAny": operation.takes_any,
        "hasData": operation.has_data,
        "partial": operation.partial,
        "example": example,
        "exampleText": _json(framed),
        "response": hint_name(operation.response),
        "isList": operation.is_list,
    }


class _Encoder(DjangoJSONEncoder):
    """Encodes what the choices and defaults of a project may be: any object, as its text."""

    def default(self, o: Any) -> Any:
        try:
            return super().default(o)
        except TypeError:
            return force_str(o)


def _json(value: Any) -> str:
    return json.dumps(value, cls=_Encoder, ensure_ascii=False, indent=2)


def _argument(argument: Argument) -> dict[str, Any]:
    default = None if argument.is_required else _plain(argument.default)
    return {
        "name": argument.name,
        "type": hint_name(argument.annotation),
        "required": argument.is_required,
        "default": "" if default in (None, "") else _json(default),
        "helpText": argument.help_text,
    }


def _field(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    options, label = field.get("choices", ()), force_str(field.get("label", ""))
    choices = [(_plain(each["value"]), force_str(each["display_name"])) for each in options]
    limits = ("min_length", "max_length", "min_value", "max_value")
    return {
        "name": name,
        "type": field["type"],
        "required": field["required"],
        "label": "" if _is_made_from(name, label) else label,
        "helpText": field.get("help_text", ""),
        "choices": choices,
        "limits": _limits(field),
        **{limit: _plain(field[limit]) for limit in limits if limit in field},
    }


def _is_made_from(name: str, label: str) -> bool:
    """Return whether DRF has made a label from the name of its field, so that it adds nothing."""
    return label.casefold() == name.replace("_", " ").casefold()


def _plain(value: Any) -> str | int | float | None:
    """Return `value` if JSON has it, else its text."""
    is_number = isinstance(value, int) or (isinstance(value, float) and isfinite(value))
    return value if value is None or is_number or isinstance(value, str) else force_str(value)


def _limits(field: Mapping[str, Any]) -> list[str]:
    """Return the limits of a field in words."""
    words = {
        "min_length": _("at least %(limit)s characters"),
        "max_length": _("at most %(limit)s characters"),
        "min_value": _("at least %(limit)s"),
        "max_value": _("at most %(limit)s"),
    }
    return [text % {"limit": field[name]} for name, text in words.items() if name in field]
