"""Tags that show code.

`{% source "demo.plants.views" %}` shows a module, class or function, and
`{% source_file "demo/live.py" "The sockets" %}` a file.
"""

import inspect
from importlib import import_module
from pathlib import Path

from django import template
from django.conf import settings
from django.utils.module_loading import import_string

from demo.highlighting import highlighted

register = template.Library()
ROOT = settings.BASE_DIR.parent


@register.inclusion_tag("demo/source.html")
def source(dotted_path, title="The code of this page"):
    """Show the source of the object at `dotted_path`, and the name of its file."""
    try:
        found = import_module(dotted_path)
    except ModuleNotFoundError:
        found = import_string(dotted_path)
    file = Path(inspect.getsourcefile(found)).relative_to(ROOT)
    return shown(inspect.getsource(found), file, title)


@register.inclusion_tag("demo/source.html")
def source_file(path, title, group="", is_open=False):
    """Show a file. Of those with the same `group` only one is open at a time."""
    code = (ROOT / path).read_text(encoding="utf-8")
    return {**shown(code, Path(path), title), "group": group, "is_open": is_open}


def shown(code, file, title):
    code = code.rstrip()
    return {
        "title": title,
        "file": file.as_posix(),
        "parts": file.parts,
        "lines": code.count("\n") + 1,
        "code": highlighted(code, file.name),
    }
