"""The files of the repository as pages: `/files/docs/README.md`, `/files/demo/live.py`.

Links between the pages of the documentation work here, because the folders are the same.
"""

import re
from mimetypes import guess_type

from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils.safestring import mark_safe
from django.views.generic import TemplateView
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

from .highlighting import highlighted

ROOT = settings.BASE_DIR.parent
FOLDERS = {"benchmarks", "demo", "docs", "rest_channels", "scripts", "sockets", "tests"}
TEXTS = {".css", ".html", ".js", ".json", ".md", ".py", ".ts"}
PICTURES = {".jpg", ".png", ".svg"}
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # drawings have styles inside


class FilePage(TemplateView):
    template_name = "demo/file.html"

    def get(self, request, path):
        file = find(path)
        if file.suffix in PICTURES:
            kind, _ = guess_type(file.name)
            headers = {"Content-Security-Policy": PICTURE_POLICY}
            return HttpResponse(file.read_bytes(), content_type=kind, headers=headers)
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".md":
            return self.render_to_response({"path": path, "document": document(text)})
        return self.render_to_response({"path": path, "code": highlighted(text, file.name)})


def find(path):
    """Return the file at a path from the root. Raises `Http404` for all that is not published."""
    file = (ROOT / path).resolve()
    if not file.is_relative_to(ROOT) or not file.is_file():
        raise Http404
    folder, *_ = file.relative_to(ROOT).parts
    is_page = file.parent == ROOT and file.suffix == ".md"
    if not is_page and (folder not in FOLDERS or file.suffix not in TEXTS | PICTURES):
        raise Http404
    return file


def document(text):
    """Return Markdown as HTML. Headings have the ids that links of the documentation use."""
    options = {"html": True, "highlight": lambda code, name, _attributes: highlighted(code, name)}
    markdown = MarkdownIt("commonmark", options).enable("table")
    markdown.use(anchors_plugin, max_level=4)
    # The site's policy allows no styles in HTML, which is how tables align their cells.
    html = re.sub(r' style="text-align:(\w+)"', r' class="\1"', markdown.render(text))
    return mark_safe(html)  # the repository is as trusted as the code
