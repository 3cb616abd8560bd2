"""All pages of `docs/`: blocks equal tested files, links lead somewhere, numbers match the code."""

import re
from pathlib import Path

import pytest
from channels_redis.core import RedisChannelLayer

from rest_channels.cluster import layer, packet_sender, standalone_publisher
from rest_channels.concurrency import threads
from rest_channels.exceptions import CloseCode
from rest_channels.observer import list_subscriptions
from rest_channels.settings import Settings

from . import settings_database as database

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text() for path in sorted(DOCS.glob("*.md"))}
TEXTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(f"docs/{name}" for name in PAGES),
    *(str(path.relative_to(ROOT)) for path in sorted(DOCS.glob("tutorials/*.md"))),
]
EXAMPLES = [
    # tests/e2e/test_quickstart.py copies and uses all blocks of the quickstart.
    text
    for name, text in PAGES.items()
    if name not in ("architecture.md", "quickstart.md")
]
BLOCKS = [
    (path, code)
    for page in EXAMPLES
    for path, code in re.findall(
        r"```python\n# (?:notes|mysite)/(\S+(?: \(add to the end\))?)\n(.*?)```", page, re.DOTALL
    )
]
NOT_SHOWN = {"__init__.py", "models.py", "views.py"}
SHOWN_TESTS = {"test_editor.py", "test_notes.py"}


@pytest.mark.parametrize(("path", "code"), BLOCKS, ids=[path for path, _code in BLOCKS])
def test_each_block_of_a_page_equals_its_file(path, code) -> None:
    name, _, is_added = path.partition(" ")
    found = (ROOT / "tests/docs" / name).read_text().strip()
    assert found.endswith(code.strip()) if is_added else found == code.strip()


def test_every_python_block_is_a_file_and_every_example_is_shown_once() -> None:
    folder = ROOT / "tests/docs"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    examples = {path for path in files if not path.startswith("test_")} - NOT_SHOWN
    assert sorted(path.split()[0] for path, _code in BLOCKS) == sorted(examples | SHOWN_TESTS)
    assert sum(page.count("```python") for page in EXAMPLES) == len(BLOCKS)


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_to_files_and_headings_that_exist(page) -> None:
    text = re.sub(r"```.*?```|!\[.*?\]\(.*?\)", "", (ROOT / page).read_text(), flags=re.DOTALL)
    for target, heading in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists()
        headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if heading else []
        slugs = {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
        assert not heading or heading in slugs


def test_the_index_lists_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["README.md"]))
    assert linked == set(PAGES) - {"README.md", "index.md"}


@pytest.mark.parametrize(
    ("page", "words", "number"),
    [
        ("live-queries.md", "at most {} lists (`MAX_LIVE`)", Settings.MAX_LIVE.default),
        ("live-queries.md", "at most {} rows (`MAX_LIVE_ROWS`)", Settings.MAX_LIVE_ROWS.default),
        ("live-queries.md", "`LIVE_AUDIT` ({} seconds", Settings.LIVE_AUDIT.default),
        ("live-queries.md", "at most {} KiB in total", list_subscriptions.MAX_BYTES // 1024),
        ("groups.md", "At most {} messages", packet_sender.QUEUE_SIZE),
        ("groups.md", "Up to {} messages in a row to one group", packet_sender.BATCH_SIZE),
        ("groups.md", "`MAX_SUBSCRIPTIONS` ({}) groups", Settings.MAX_SUBSCRIPTIONS.default),
        ("groups.md", "{} events (`INBOX_FRAMES`) may wait", Settings.INBOX_FRAMES.default),
        ("deployment.md", "has {} sockets (MAX_SOCKETS", Settings.MAX_SOCKETS_PER_ADDRESS.default),
        ("deployment.md", "up to {} threads", Settings.MAX_THREADS.default),
        ("deployment.md", "ends after {} seconds without work", threads.IDLE_TIMEOUT),
        ("deployment.md", "after {} seconds of silence", standalone_publisher.IDLE_TIMEOUT),
        ("deployment.md", "every {} seconds", Settings.BEAT.default),
        ("deployment.md", "room for {} messages", layer.CAPACITY),
        ("deployment.md", "up to {} per process", RedisChannelLayer().capacity),
    ],
)
def test_the_numbers_of_the_pages_match_the_code(page, words, number) -> None:
    assert words.format(f"{number:,g}") in " ".join(PAGES[page].split())


def test_the_codes_that_end_a_session_match_the_code_and_are_final() -> None:
    listed = re.findall(r"^\| (44\d\d) \|", PAGES["deployment.md"], re.MULTILINE)
    ended = [CloseCode.SESSION_ENDED, CloseCode.PASSWORD_CHANGED, CloseCode.USER_INACTIVE]
    assert list(map(int, listed)) == [*ended, CloseCode.REVOKED]
    assert not any(CloseCode(int(code)).reconnect for code in listed)


def test_the_example_of_database_connections_adds_up() -> None:
    pool = database.DATABASES["default"]["OPTIONS"]["pool"]
    pages_at_once = pool["max_size"] - sum(database.REST_CHANNELS.values())
    assert pages_at_once == 3
    words = " ".join(PAGES["deployment.md"].split())
    assert f"7 + {pages_at_once} = {pool['max_size']}" in words
    assert f"8 × {pool['max_size']} + 8 + 5 = {8 * pool['max_size'] + 13}" in words
    assert 8 * pool["max_size"] + 13 <= 100 - 3
