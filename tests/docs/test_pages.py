"""The pages say what runs: their code is that of files, their numbers are those of the code."""

import re
from pathlib import Path

import pytest
from channels_redis.core import RedisChannelLayer

from rest_channels.cluster import layer, packet_sender, publisher
from rest_channels.concurrency import threads
from rest_channels.exceptions import CloseCode
from rest_channels.settings import Settings

from .settings import database

ROOT = Path(__file__).parents[2]
NAMES = ("groups.md", "deployment.md", "sockets.md", "observers.md", "migrating.md")
PAGES = {name: (ROOT / "docs" / name).read_text() for name in NAMES}
BLOCKS = [
    (path, code)
    for page in PAGES.values()
    for path, code in re.findall(r"```python\n# notes/(\S+)\n(.*?)```", page, re.DOTALL)
]
UNSEEN = {"__init__.py", "settings/__init__.py", "models.py"}


@pytest.mark.parametrize(("path", "code"), BLOCKS, ids=[path for path, _code in BLOCKS])
def test_what_a_page_shows_is_what_the_file_says(path, code) -> None:
    assert code.strip() == (ROOT / "tests/docs" / path).read_text().strip()


def test_every_python_block_is_a_file_and_every_file_is_shown_once() -> None:
    folder = ROOT / "tests/docs"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    examples = {path for path in files if not path.startswith("test_")} - UNSEEN
    assert sorted(path for path, _code in BLOCKS) == sorted(examples)
    assert sum(page.count("```python") for page in PAGES.values()) == len(BLOCKS)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in NAMES)])
def test_links_lead_to_files_and_to_headings_that_are_there(page) -> None:
    for target, heading in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", (ROOT / page).read_text()):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists()
        headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if heading else []
        slugs = {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
        assert not heading or heading in slugs


@pytest.mark.parametrize(
    ("page", "words", "number"),
    [
        ("groups.md", "More than {} messages", packet_sender.QUEUE_SIZE),
        ("groups.md", "up to {} messages of one group in a row", packet_sender.BATCH_SIZE),
        ("groups.md", "`MAX_SUBSCRIPTIONS`, {} groups", Settings.MAX_SUBSCRIPTIONS.default),
        ("groups.md", "{} events may wait", Settings.INBOX_FRAMES.default),
        ("deployment.md", "up to {} threads", Settings.MAX_THREADS.default),
        ("deployment.md", "ends after {} seconds without work", threads.IDLE),
        ("deployment.md", "after {} seconds of silence", publisher.IDLE),
        ("deployment.md", "every {} seconds", Settings.BEAT.default),
        ("deployment.md", "room for {} messages", layer.CAPACITY),
        ("deployment.md", "up to {} per process", RedisChannelLayer().capacity),
    ],
)
def test_the_numbers_of_the_pages_are_those_of_the_code(page, words, number) -> None:
    assert words.format(f"{number:,g}") in " ".join(PAGES[page].split())


def test_the_close_codes_of_the_page_are_those_of_the_code() -> None:
    told = re.findall(r"^\| (44\d\d) \|", PAGES["deployment.md"], re.MULTILINE)
    ended = [CloseCode.SESSION_ENDED, CloseCode.PASSWORD_CHANGED, CloseCode.USER_INACTIVE]
    assert list(map(int, told)) == [*ended, CloseCode.REVOKED]
    assert not any(CloseCode(int(code)).reconnect for code in told)


def test_the_worked_example_adds_up() -> None:
    pool = database.DATABASES["default"]["OPTIONS"]["pool"]
    pages_at_once = pool["max_size"] - database.REST_CHANNELS["MAX_THREADS"]
    assert pages_at_once == 3
    words = " ".join(PAGES["deployment.md"].split())
    assert f"7 + {pages_at_once} = {pool['max_size']}" in words
    assert f"8 × {pool['max_size']} + 8 + 5 = {8 * pool['max_size'] + 13}" in words
    assert 8 * pool["max_size"] + 13 <= 100 - 3
