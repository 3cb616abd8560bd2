"""The pages of the demo that show the documentation and the source."""

import re
from html import unescape
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

import pytest

START = "/files/docs/README.md"


def fetch(server, path):
    with urlopen(server.url + path) as answer:
        return answer.read().decode(errors="replace")


def links_of(path, html):
    """Return the addresses in the main part of a page that are on the same server."""
    found = re.findall(r'(?:href|src)="([^"]+)"', html.partition('<main id="main">')[2])
    addresses = [urlsplit(urljoin(path, unescape(link))) for link in found]
    return {(each.path, each.fragment) for each in addresses if not each.netloc and not each.scheme}


def test_every_link_between_pages_of_the_documentation_works(demo_server) -> None:
    pages, links, waiting = {}, set(), {START}
    while waiting:
        path = waiting.pop()
        pages[path] = fetch(demo_server, path)
        if path.endswith(".md"):
            links |= (found := links_of(path, pages[path]))
            waiting |= {target for target, _ in found} - pages.keys()
    assert len(pages) > 30
    missing = [link for link in links if link[1] and f'id="{link[1]}"' not in pages[link[0]]]
    assert missing == []


def test_code_in_the_documentation_and_in_files_is_highlighted(demo_server) -> None:
    assert '<span class="keyword">class</span>' in fetch(demo_server, "/files/docs/views.md")
    assert '<span class="keyword">import</span>' in fetch(demo_server, "/files/demo/live.py")
    script = fetch(demo_server, "/files/demo/shopping_list/static/shopping_list/list.js")
    assert '<span class="keyword">const</span>' in script


@pytest.mark.parametrize(
    "path",
    [".git/config", "setup.py", "demo/db.sqlite3", "demo/../setup.py", "docs", "%2Fetc/hostname"],
)
def test_other_files_are_not_found(demo_server, path) -> None:
    with pytest.raises(HTTPError, match="404"):
        fetch(demo_server, f"/files/{path}")
