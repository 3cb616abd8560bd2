"""The documentation site. `make docs` builds the pages of this folder into `site/`."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from rest_channels import __version__  # noqa: E402 - the path is set above

SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
REPOSITORY = re.search(r'^REPOSITORY = "(.*)"$', SETUP, re.MULTILINE)[1]

project = "REST Channels"
author = "The REST Channels authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]  # index.md includes it
default_role = "code"  # single backticks in docstrings are code, as in Markdown
nitpicky = False  # docstrings name internal classes, which have no pages

myst_heading_anchors = 4  # links to headings work as on the site of the repository
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"REST Channels {__version__}"
if REPOSITORY:
    html_theme_options = {
        "source_edit_link": f"{REPOSITORY}/edit/main/docs/{{filename}}",
        "footer_icons": [{"name": "Source", "url": REPOSITORY, "html": "Source", "class": ""}],
    }


def link_to_repository(app: Any, name: str, content: list[str]) -> None:
    """Let links to files outside of this folder lead to the repository, if it has an address."""
    up = "../" * (name.count("/") + 1)
    outside = re.compile(rf"\[([^]]*)\]\({re.escape(up)}([\w./-]+)\)")
    link = rf"[\1]({REPOSITORY}/blob/main/\2)" if REPOSITORY else r"\1"
    content[0] = outside.sub(link, content[0])


def mark_examples(
    app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]
) -> None:
    """Let indented paragraphs of docstrings be code, as in Markdown."""
    before_blank = [""] * 2 + lines[:-2]
    for number, line in reversed(list(enumerate(lines))):
        text = before_blank[number]
        if line.startswith("    ") and not lines[number - 1] and text and text[0] != " ":
            lines[number:number] = ["::", ""]


def keep_colons(
    app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]
) -> None:
    """Keep napoleon from reading the words before a colon of an attribute's docstring as a type."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # an empty comment, which napoleon takes for the first line


def setup(app: Any) -> None:
    """Connect the functions above, those for docstrings before napoleon."""
    app.connect("source-read", link_to_repository)
    app.connect("autodoc-process-docstring", mark_examples, priority=400)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
