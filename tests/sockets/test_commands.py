"""`list_sockets`, `ping_sockets` and `purge_sockets`."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from rest_channels.testing import SocketCommunicator
from sockets.handlers import RoutedSocketHandler
from sockets.models import Node, Socket
from tests.brokers import LAYERS, layers

pytestmark = pytest.mark.django_db

COMMANDS = ("list_sockets", "ping_sockets", "purge_sockets")
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)


def made(number=1, **fields):
    """A row of a connection that lives on a node that is not here."""
    fields = {"channel_name": f"00000000aa-1.{number:x}", "path": "/game/1/", **fields}
    return Socket.objects.create(**fields)


def made_by_the_dead(number=1, **fields):
    """A row whose process has not been heard of for long."""
    dead, _is_new = Node.objects.get_or_create(name="dead", defaults={"seen": LONG_AGO})
    return made(number, node=dead, connected_at=LONG_AGO, **fields)


def said(command, *args) -> str:
    out = StringIO()
    call_command(command, *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def answered(command, *args):
    return json.loads(said(command, "--json", *args))


@pytest.fixture
def countess():
    return User.objects.create_user("ada")


def test_the_list_is_a_table(countess) -> None:
    made(1, user=countess, user_ip="192.0.2.7", active=True, connected_at=LONG_AGO)
    made(2, path="/a/rather/long/path/", last_ping=LONG_AGO)
    heading, ada, nobody = said("list_sockets").splitlines()
    assert heading.split("  ")[0] == "user"
    assert ada.split() == [
        "ada",
        "/game/1/",
        "192.0.2.7",
        "2026-01-02",
        "03:04:05",
        *"-",
        "yes",
        "-",
    ]
    assert nobody.startswith("-     /a/rather/long/path/  -")
    assert [line.index(word) for line, word in [(heading, "path"), (ada, "/"), (nobody, "/")]] == (
        [6, 6, 6]
    )


def test_a_path_cannot_command_the_terminal() -> None:
    made(path="/\x1b[2J\u202e/é/")
    assert r"/\x1b[2J\u202e/é/" in said("list_sockets")


def test_the_list_is_json_for_programs(countess) -> None:
    row = made(user=countess, connected_at=LONG_AGO, session_key="secret")
    (record,) = answered("list_sockets")
    assert record == {
        "pk": row.pk,
        "channel_name": row.channel_name,
        "user": "ada",
        "user_id": countess.pk,
        "path": "/game/1/",
        "user_ip": None,
        "connected_at": "2026-01-02T03:04:05.006Z",
        "last_ping": None,
        "active": False,
        "node": None,
    }


def test_those_of_dead_processes_are_listed_on_request() -> None:
    made_by_the_dead()
    assert answered("list_sockets") == []
    assert [record["node"] for record in answered("list_sockets", "--all")] == ["dead"]


def test_a_long_list_is_one_query(countess, django_assert_num_queries) -> None:
    for number in range(20):
        made(number, user=countess)
    with django_assert_num_queries(1):
        assert len(answered("list_sockets")) == 20


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ([], {1, 2, 3}),
        (["--path", "/game/1/"], {1, 2}),
        (["--path", "/game/"], set()),
        (["--user", "ada"], {2, 3}),
        (["--user", "ada", "--path", "/game/1/"], {2}),
    ],
)
def test_all_commands_can_be_narrowed(countess, args, found) -> None:
    names = {made_by_the_dead(1).channel_name: 1}
    names[made_by_the_dead(2, user=countess).channel_name] = 2
    names[made_by_the_dead(3, user=countess, path="/else/").channel_name] = 3
    listed = answered("list_sockets", "--all", *args)
    assert {names[record["channel_name"]] for record in listed} == found
    assert answered("ping_sockets", *args) == {"asked": len(found)}
    assert answered("purge_sockets", *args) == {"deleted": len(found)}
    left = Socket.objects.values_list("channel_name", flat=True)
    assert {names[name] for name in left} == {1, 2, 3} - found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_user_who_is_unknown_is_an_error(command) -> None:
    with pytest.raises(CommandError, match="There is no user called 'bob'"):
        said(command, "--user", "bob")


def test_users_go_by_what_the_project_calls_them(countess, monkeypatch) -> None:
    monkeypatch.setattr(User, "USERNAME_FIELD", "email")
    User.objects.filter(pk=countess.pk).update(email="ada@example.com")
    made(user=countess)
    (record,) = answered("list_sockets", "--user", "ada@example.com")
    assert record["user"] == "ada@example.com"


@pytest.mark.django_db(transaction=True)
async def test_a_ping_arrives() -> None:
    served = SocketCommunicator(RoutedSocketHandler.as_asgi(), "/game/1/", dialect="type")
    async with served as socket:
        words = await sync_to_async(said)("ping_sockets", "--path", "/game/1/")
        assert words == "Sockets pinged: 1.\n"
        await socket.expect_event(type="PING")
        assert not (await Socket.objects.aget()).active


@pytest.mark.parametrize(("setting", "hint"), [({}, True), (layers(LAYERS[1], "redis://x"), False)])
def test_who_cannot_reach_the_servers_is_warned(setting, hint) -> None:
    err = StringIO()
    with override_settings(CHANNEL_LAYERS=setting):
        call_command("ping_sockets", stdout=StringIO(), stderr=err)
    assert ("reaches no other process" in err.getvalue()) is hint


def test_a_purge_spares_the_living() -> None:
    made(1)
    made(2, node=Node.objects.create(name="alive", seen=timezone.now() + timedelta(hours=1)))
    made_by_the_dead(3)
    assert said("purge_sockets") == "Rows of dead processes deleted: 1.\n"
    assert Socket.objects.count() == 2
    assert [node.name for node in Node.objects.all()] == ["alive"]
