"""The README says what runs: its code is that of files, and the files are tried here."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from rest_channels.routing import SocketApplication
from rest_channels.settings import Settings, api_settings
from rest_channels.testing import SocketCommunicator

from .readme.api import Notes
from .readme.consumers import Chat
from .readme.methods import Game
from .readme.models import Note
from .readme.quiz import Quiz

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n# notes/(\S+)\n(.*?)```", README, re.DOTALL)


def test_the_readme_shows_every_file_of_its_example() -> None:
    shown = {name for name, _code in BLOCKS}
    files = {path.name for path in (ROOT / "tests/readme").glob("*.py")}
    assert shown == files - {"__init__.py"}


@pytest.mark.parametrize(("name", "code"), BLOCKS, ids=[name for name, _code in BLOCKS])
def test_what_the_readme_shows_is_what_the_file_says(name, code) -> None:
    assert code.strip() == (ROOT / "tests/readme" / name).read_text().strip()


def test_every_python_block_of_the_readme_is_a_file() -> None:
    assert README.count("```python") == len(BLOCKS)


@pytest.mark.django_db(transaction=True)
async def test_the_editor_refuses_who_may_not_write_and_names_what_is_wrong() -> None:
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


async def test_methods_answer_as_their_comments_say() -> None:
    async with SocketCommunicator(Game.as_asgi(), kwargs={"pk": 1}) as socket:
        await socket.send_json({"method": "move", "data": {"to": "e4"}})
        await socket.expect_event({"method": "move", "data": {"moved": "e4"}, "status": 200})
        await socket.expect_reply(await socket.call("give-up"), data={"sorry": True}, status=202)
        await socket.expect_event({"over": True})


@pytest.mark.parametrize("frame", [{"method": "move"}, {"method": "move", "data": {"to": "z9"}}])
async def test_a_wrong_move_is_a_400(frame) -> None:
    async with SocketCommunicator(Game.as_asgi(), kwargs={"pk": 1}) as socket:
        await socket.send_json(frame)
        await socket.expect_event(status=400)


@pytest.mark.parametrize("content", [{}, [], None, {"line": ""}, "x"])
async def test_a_line_that_is_none_is_a_400(content) -> None:
    async with SocketCommunicator(Chat.as_asgi()) as socket:
        await socket.send_json(content)
        await socket.expect_event(status=400)


@pytest.mark.django_db(transaction=True)
async def test_the_quiz_notes_answers_and_tells_who_comes_and_goes() -> None:
    ada = await User.objects.acreate_user("ada")

    def client(user=None):
        return SocketCommunicator(Quiz.socket.as_asgi(), "/quiz/1/", user=user, dialect="type")

    async with client() as one:
        async with client(ada) as two:
            await one.expect_event(type="CAME", who="ada")
            await two.send_json({"type": "ANSWER", "number": 2})
            await two.expect_event(type="NOTED", number=2)
            await two.send_json({"type": "ANSWER", "number": 5})
            await two.expect_event(type="ERROR")
        await one.expect_event(type="LEFT", who="ada")


@pytest.mark.django_db(transaction=True)
async def test_the_notes_are_served_as_drf_would() -> None:
    root = await User.objects.acreate_user("root", is_staff=True, is_superuser=True)
    async with SocketCommunicator(Notes.as_asgi(), user=root, dialect="action") as socket:
        created = await socket.call("create", {"title": "hi", "text": "there"})
        pk = (await socket.expect_reply(created, response_status=201))["data"]["id"]
        await socket.expect_reply(await socket.call("shout", pk=pk), data={"title": "HI"})
    ada = await User.objects.acreate_user("ada")
    async with SocketCommunicator(Notes.as_asgi(), user=ada, dialect="action") as socket:
        refused = await socket.call("create", {"title": "hi"})
        await socket.expect_reply(refused, response_status=403)


async def test_the_chat_reaches_its_lobby() -> None:
    async with SocketCommunicator(Chat.as_asgi()) as one, SocketCommunicator(Chat.as_asgi()) as two:
        await one.send_json({"line": "hi"})
        await two.expect_event({"line": "hi"})


def test_every_setting_is_listed_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", README, re.MULTILINE))
    defaults = {name for name in vars(Settings) if name.isupper()}
    assert set(listed) == defaults
    with override_settings(REST_CHANNELS={}):
        for name in ("INBOX_FRAMES", "MAX_DEPTH", "MAX_THREADS", "MAX_SUBSCRIPTIONS"):
            assert listed[name].replace(",", "") == str(getattr(api_settings, name))
