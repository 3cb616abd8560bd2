"""`{% source "demo.compositions.live" %}`: the code that does it, read from the running module."""

import inspect
import io
import keyword
import tokenize
from importlib import import_module
from pathlib import Path

from django import template
from django.conf import settings
from django.utils.html import format_html_join
from django.utils.module_loading import import_string

register = template.Library()
TEXTS = {
    getattr(tokenize, name, None)
    for name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
}


@register.inclusion_tag("demo/source.html")
def source(dotted_path, title="The code that does it"):
    """A module's, class's or function's source, with the file that it is in."""
    try:
        thing = import_module(dotted_path)
    except ModuleNotFoundError:
        thing = import_string(dotted_path)
    file = Path(inspect.getsourcefile(thing)).relative_to(settings.HERE.parent)
    code = inspect.getsource(thing).rstrip()
    return {
        "title": title,
        "file": file,
        "lines": code.count("\n") + 1,
        "code": highlighted(code),
    }


def highlighted(code):
    """Python as HTML, with its comments, texts, keywords and names marked."""
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    pieces, end, before = [], 0, ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        start, stop = (
            starts[min(row, len(starts)) - 1] + column for row, column in (token.start, token.end)
        )
        pieces += [("", code[end:start]), (kind(token, before), code[start:stop])]
        end, before = stop, token.string
    return format_html_join("", '<span class="{}">{}</span>', pieces)


def kind(token, before):
    if token.type == tokenize.COMMENT:
        return "comment"
    if token.type in TEXTS:
        return "string"
    if before in ("def", "class"):
        return "name"
    if "@" in (token.string, before):
        return "decorator"
    return "keyword" if keyword.iskeyword(token.string) or token.string in ("match", "case") else ""
