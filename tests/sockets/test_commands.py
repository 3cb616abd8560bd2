"""The management commands `list_sockets`, `ping_sockets` and `purge_sockets`."""

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

from .helpers import create_socket

pytestmark = pytest.mark.django_db

COMMANDS = ("list_sockets", "ping_sockets", "purge_sockets")
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)


def create_dead_socket(number=1, **fields):
    """Create a row whose process died long ago."""
    dead, _is_new = Node.objects.get_or_create(name="dead", defaults={"seen": LONG_AGO})
    return create_socket(number, node=dead, connected_at=LONG_AGO, **fields)


def output_of(command, *args) -> str:
    out = StringIO()
    call_command(command, *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def json_of(command, *args):
    return json.loads(output_of(command, "--json", *args))


@pytest.fixture
def countess():
    return User.objects.create_user("ada")


def test_list_sockets_prints_a_table_with_aligned_columns(countess) -> None:
    create_socket(1, user=countess, user_ip="192.0.2.7", active=True, connected_at=LONG_AGO)
    create_socket(2, path="/a/rather/long/path/", last_ping=LONG_AGO)
    heading, ada, anonymous = output_of("list_sockets").splitlines()
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
    assert anonymous.startswith("-     /a/rather/long/path/  -")
    assert [
        line.index(text) for line, text in [(heading, "path"), (ada, "/"), (anonymous, "/")]
    ] == ([6, 6, 6])


def test_list_sockets_escapes_control_characters_in_paths() -> None:
    create_socket(path="/\x1b[2J\u202e/é/")
    assert r"/\x1b[2J\u202e/é/" in output_of("list_sockets")


def test_list_sockets_prints_json_without_session_keys(countess) -> None:
    row = create_socket(user=countess, connected_at=LONG_AGO, session_key="secret")
    (record,) = json_of("list_sockets")
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


def test_list_sockets_includes_dead_processes_only_with_all() -> None:
    create_dead_socket()
    assert json_of("list_sockets") == []
    assert [record["node"] for record in json_of("list_sockets", "--all")] == ["dead"]


def test_list_sockets_takes_one_query_for_many_rows(countess, django_assert_num_queries) -> None:
    for number in range(20):
        create_socket(number, user=countess)
    with django_assert_num_queries(1):
        assert len(json_of("list_sockets")) == 20


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
def test_all_commands_filter_by_path_and_user(countess, args, found) -> None:
    names = {create_dead_socket(1).channel_name: 1}
    names[create_dead_socket(2, user=countess).channel_name] = 2
    names[create_dead_socket(3, user=countess, path="/else/").channel_name] = 3
    records = json_of("list_sockets", "--all", *args)
    assert {names[record["channel_name"]] for record in records} == found
    assert json_of("ping_sockets", *args) == {"asked": len(found)}
    assert json_of("purge_sockets", *args) == {"deleted": len(found)}
    remaining = Socket.objects.values_list("channel_name", flat=True)
    assert {names[name] for name in remaining} == {1, 2, 3} - found


@pytest.mark.parametrize("command", COMMANDS)
def test_all_commands_report_an_unknown_user_as_an_error(command) -> None:
    with pytest.raises(CommandError, match="There is no user called 'bob'"):
        output_of(command, "--user", "bob")


def test_the_commands_use_the_username_field_of_the_projects_user_model(
    countess, monkeypatch
) -> None:
    monkeypatch.setattr(User, "USERNAME_FIELD", "email")
    User.objects.filter(pk=countess.pk).update(email="ada@example.com")
    create_socket(user=countess)
    (record,) = json_of("list_sockets", "--user", "ada@example.com")
    assert record["user"] == "ada@example.com"


@pytest.mark.django_db(transaction=True)
async def test_ping_sockets_sends_a_ping_and_marks_the_row_inactive() -> None:
    served = SocketCommunicator(RoutedSocketHandler.as_asgi(), "/game/1/", dialect="type")
    async with served as socket:
        text = await sync_to_async(output_of)("ping_sockets", "--path", "/game/1/")
        assert text == "Sockets pinged: 1.\n"
        await socket.expect_event(type="PING")
        assert not (await Socket.objects.aget()).active


@pytest.mark.parametrize(
    ("setting", "is_warned"), [({}, True), (layers(LAYERS[1], "redis://x"), False)]
)
def test_ping_sockets_warns_if_the_channel_layer_reaches_no_other_process(
    setting, is_warned
) -> None:
    err = StringIO()
    with override_settings(CHANNEL_LAYERS=setting):
        call_command("ping_sockets", stdout=StringIO(), stderr=err)
    assert ("reaches no other process" in err.getvalue()) is is_warned


def test_purge_sockets_deletes_only_the_rows_of_dead_processes() -> None:
    create_socket(1)
    create_socket(
        2, node=Node.objects.create(name="alive", seen=timezone.now() + timedelta(hours=1))
    )
    create_dead_socket(3)
    assert output_of("purge_sockets") == "Rows of dead processes deleted: 1.\n"
    assert Socket.objects.count() == 2
    assert [node.name for node in Node.objects.all()] == ["alive"]
