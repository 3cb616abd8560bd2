"""`{% source "demo.plants.views" %}` shows the source code of a module, class or function."""

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
STRINGS = {
    getattr(tokenize, name, None)
    for name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
}


@register.inclusion_tag("demo/source.html")
def source(dotted_path, title="The code of this page"):
    """Show the source of the object at `dotted_path`, and the name of its file."""
    try:
        found = import_module(dotted_path)
    except ModuleNotFoundError:
        found = import_string(dotted_path)
    file = Path(inspect.getsourcefile(found)).relative_to(settings.BASE_DIR.parent)
    code = inspect.getsource(found).rstrip()
    return {
        "title": title,
        "file": file,
        "lines": code.count("\n") + 1,
        "code": highlighted(code),
    }


def highlighted(code):
    """Return Python code as HTML with marked comments, strings, keywords and names."""
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    parts, end, previous = [], 0, ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        start, stop = (
            starts[min(row, len(starts)) - 1] + column for row, column in (token.start, token.end)
        )
        parts += [("", code[end:start]), (css_class(token, previous), code[start:stop])]
        end, previous = stop, token.string
    return format_html_join("", '<span class="{}">{}</span>', parts)


def css_class(token, previous):
    if token.type == tokenize.COMMENT:
        return "comment"
    if token.type in STRINGS:
        return "string"
    if previous in ("def", "class"):
        return "name"
    if "@" in (token.string, previous):
        return "decorator"
    return "keyword" if keyword.iskeyword(token.string) or token.string in ("match", "case") else ""
