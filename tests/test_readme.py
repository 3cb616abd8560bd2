"""The README: its example equals tested files and works when copied; its lists match the code."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator

from .readme.models import Note

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SETTINGS = README.split("```text\n")[1].split("```")[0]
TESTING = (ROOT / "docs/testing.md").read_text()
BLOCK = re.compile(r"```(?:python|html|ini)\n(?:# |<!-- )(\S+)(?: -->)?\n(.*?)```", re.DOTALL)
FILES = dict(BLOCK.findall(README))
TESTS = [block for block in BLOCK.findall(TESTING) if block[0] != "notes/test_notes.py"]


def test_the_readme_shows_every_file_of_its_example() -> None:
    folder = ROOT / "tests/readme"
    files = [*folder.glob("*.py"), *folder.glob("templates/*")]
    names = {f"notes/{path.relative_to(folder)}" for path in files}
    assert set(FILES) == names - {"notes/__init__.py"}


@pytest.mark.parametrize("name", FILES)
def test_each_block_of_the_readme_equals_its_file(name) -> None:
    file = ROOT / "tests/readme" / name.removeprefix("notes/")
    assert FILES[name].strip() == file.read_text().strip()


def test_every_python_and_html_block_of_the_readme_is_a_file() -> None:
    assert README.count("```python") + README.count("```html") == len(FILES)


@pytest.mark.programs
def test_the_example_works_when_it_is_copied(tmp_path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "notes.settings"}

    def run(*command: str) -> None:
        options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run([sys.executable, *command], check=False, **options)
        assert done.returncode == 0, done.stdout + done.stderr

    run("-m", "django", "startproject", "notes", ".", "--settings", "django.conf.global_settings")
    with (tmp_path / "notes/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    for name, code in {**FILES, **dict(TESTS)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    run("manage.py", "makemigrations", "notes")
    run("manage.py", "migrate")
    run("manage.py", "check", "--fail-level", "WARNING")
    run("-c", "import notes.asgi; assert notes.asgi.application.routes")
    run("-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.django_db
@pytest.mark.urls("tests.readme.urls")
def test_the_page_connects_to_the_socket_of_its_note() -> None:
    client = Client()
    assert client.get("/notes/7/").headers["Location"].startswith("/admin/login/")
    client.force_login(User.objects.create_user("ada"))
    assert 'new SocketClient("/ws/notes/7/")' in client.get("/notes/7/").content.decode()


@pytest.mark.django_db(transaction=True)
async def test_the_editor_rejects_a_user_who_is_not_a_writer_and_names_invalid_fields() -> None:
    ada, note = await User.objects.acreate_user("ada"), await Note.objects.acreate(title="x")
    app = SocketApplication("tests.readme.live")
    async with SocketCommunicator(app, f"/ws/notes/{note.pk}/", user=ada) as socket:
        await socket.expect_event(status=404)
        await socket.expect_close(4404)
    await note.writers.aadd(ada)
    async with SocketCommunicator(app, f"/ws/notes/{note.pk}/", user=ada) as socket:
        await socket.expect_event(title="x")
        await socket.send_json({"title": "", "request_id": 1})
        reply = await socket.expect_reply(1, status=400)
        assert "title" in reply


def test_every_class_of_the_table_can_be_imported_from_where_the_table_says() -> None:
    rows = re.findall(r"^\| \[(`.+?`)\]\(.+?\) \| `([\w.]+)` \|", README, re.MULTILINE)
    python = [row for row in rows if row[1] != "client.js"]
    assert len(python) == 17
    for names, module in python:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module), name)


def test_the_versions_and_extras_are_those_of_the_package() -> None:
    setup = (ROOT / "setup.py").read_text()
    packages = {
        "Python": r'python_requires=">=([\d.]+)"',
        "Django": r'"Django>=([\d.]+)"',
        "Channels": r'"channels>=([\d.]+)"',
        "Django REST framework": r'"djangorestframework>=([\d.]+)"',
    }
    for name, pattern in packages.items():
        assert f"| {name} | {re.search(pattern, setup)[1]} or newer |" in README
    extras = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", README, re.MULTILINE)
    assert extras
    assert all(f'    "{extra}": [' in setup for extra in extras)


def test_the_commands_of_the_readme_are_commands_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = set(re.findall(r"\bmake ([a-z-]+)`", README) + re.findall(r"\$ make (\S+)", README))
    assert commands == {"demo", "demo-cluster", "test"}
    assert all(f"\n{command}: environment" in makefile for command in commands)


def test_commit_hooks_use_the_environment_of_the_project_and_download_nothing() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"- repo: (\S+)", hooks) == ["local"]
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system"}
    assert all(
        entry.startswith((".venv/bin/", "make ")) for entry in re.findall(r"entry: (.+)", hooks)
    )
