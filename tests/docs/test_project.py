"""The project that a reader has after the quickstart, and after all other pages."""

import shutil
from pathlib import Path

import pytest

from tests.documents import ROOT, Reader, blocks, printed_code

LATER_PAGES = sorted({path.name for path in (ROOT / "docs").glob("*.md")} - {"quickstart.md"})


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Path:
    """The folder of a reader who has followed the quickstart, without a browser."""
    reader = Reader(tmp_path_factory.mktemp("quickstart"))
    for _server in reader.follow("quickstart.md", iter(["ada", "ben"])):
        pass
    return reader.folder


@pytest.fixture
def reader(followed, tmp_path) -> Reader:
    """A reader who has a copy of that folder."""
    shutil.copytree(followed, tmp_path, dirs_exist_ok=True)
    return Reader(tmp_path)


def test_the_quickstart_adds_to_a_new_project_what_startsocket_prints(tmp_path) -> None:
    reader = Reader(tmp_path)
    commands, *added, server = [text for _language, text in blocks("quickstart.md")][:5]
    assert commands.endswith("startsocket board\n")
    reader.run("django-admin startproject mysite .")
    with (tmp_path / "mysite/settings.py").open("a") as settings:
        settings.write('INSTALLED_APPS += ["rest_channels"]\n')
    *steps, last = printed_code(reader.run("python manage.py startsocket board"))
    assert steps == [text.partition("\n")[2] for text in added]
    assert f"$ {last}" == server


def test_the_typed_client_of_the_quickstart_knows_the_answer_of_follow(reader) -> None:
    typescript = reader.run("python manage.py socket_schema --format ts")
    follow = typescript.partition("      follow: {")[2].partition("};")[0]
    assert "response: Note[];" in follow


def test_all_pages_together_are_one_project_and_none_replaces_a_file_of_another(reader) -> None:
    for page in LATER_PAGES:
        reader.copy_files(page)
    modules = sorted(path.stem for path in (reader.folder / "notes").glob("*.py"))
    assert len(modules) > 35
    imports = "; ".join(f"import notes.{name}" for name in modules if name != "__init__")
    reader.run(f"python manage.py shell --command '{imports}'")
    reader.run("python manage.py check --fail-level WARNING")
    assert "3 passed" in reader.run("python -m pytest -q notes")
