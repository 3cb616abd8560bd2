"""The admin of sockets: a list of connections, with actions, that cannot be edited."""

import re
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rest_channels.testing import SocketCommunicator
from sockets.forms import DisconnectForm, MessageForm
from sockets.handlers import RoutedSocketHandler
from sockets.models import Node, Socket

from .helpers import create_socket

LIST = "/admin/sockets/socket/"
pytestmark = pytest.mark.django_db


def listed_rows(response) -> list[Socket]:
    return list(response.context["cl"].result_list)


def messages_of(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def post_action(client, action, *rows, query="", **data):
    """Post an action of the list, or with `confirmed` the form that follows it."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **data}
    return client.post(LIST + query, data if "confirmed" in data else {"index": "0", **data})


@pytest.fixture
def staff(client, django_user_model):
    """`staff("view_socket")`: a test client of a user with only these permissions."""

    def log_in(*codenames):
        user = django_user_model.objects.create_user("eve", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


# The list.


def test_the_list_shows_the_newest_connection_first_with_the_name_of_its_user(admin_client) -> None:
    now = timezone.now()
    old = create_socket(1, connected_at=now - timedelta(days=2))
    new = create_socket(
        2, user=User.objects.create_user("ada"), connected_at=now, user_ip="192.0.2.7"
    )
    response = admin_client.get(LIST)
    assert listed_rows(response) == [new, old]
    cells = re.findall(r'<t[dh] class="field-(?:user_name|user_ip)[^>]*>([^<]+)<', response.text)
    assert cells == ["ada", "192.0.2.7", "anonymous", "-"]


def test_the_list_shows_only_the_time_for_today_and_the_date_for_other_days(
    admin_client, settings
) -> None:
    noon = timezone.now().replace(hour=12, minute=0)
    create_socket(connected_at=noon, last_ping=noon - timedelta(days=400))
    page = admin_client.get(LIST).text
    (today,) = re.findall(r'field-since[^>]*><span title="([^"]+)">noon<', page)
    assert today.endswith(f"{noon.year}, noon")
    assert re.search(r'field-last_ping_at[^>]*><span title="([^"]+ noon)">\1<', page)


def test_the_list_omits_rows_of_dead_processes(admin_client) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    create_socket(node=Node.objects.create(name="dead", seen=long_ago), connected_at=long_ago)
    assert listed_rows(admin_client.get(LIST)) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=/chat/", {1}),
        ("q=192.0.2", {1}),
        ("q=ADA", {2}),
        ("q=nobody", set()),
        ("active__exact=1", {2}),
        ("logged_in=1", {2}),
        ("logged_in=0", {1, 3}),
        ("logged_in=x", {1, 2, 3}),
        ("node__name__exact=node-1", {3}),
    ],
)
def test_the_list_can_be_searched_and_filtered(admin_client, query, found) -> None:
    node = Node.objects.create(name="node-1", seen=timezone.now() + timedelta(hours=1))
    rows = {
        create_socket(1, path="/chat/", user_ip="192.0.2.1").pk: 1,
        create_socket(2, user=User.objects.create_user("ada"), active=True).pk: 2,
        create_socket(3, node=node).pk: 3,
    }
    response = admin_client.get(f"{LIST}?{query}")
    assert {rows[row.pk] for row in listed_rows(response)} == found


def test_the_search_uses_the_username_field_of_the_projects_user_model(
    admin_client, monkeypatch
) -> None:
    monkeypatch.setattr(User, "USERNAME_FIELD", "email")
    row = create_socket(user=User.objects.create_user("ada", email="countess@example.com"))
    create_socket(2, user=User.objects.create_user("countess"))
    assert listed_rows(admin_client.get(f"{LIST}?q=countess")) == [row]


@pytest.mark.parametrize("query", ["", "?_facets=1", "?q=game&active__exact=0", "?p=2"])
def test_a_list_of_ten_thousand_rows_takes_as_many_queries_as_a_short_list(
    admin_client, query
) -> None:
    node = Node.objects.create(name="node-1", seen=timezone.now() + timedelta(hours=1))
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(200))

    def count_queries(numbers) -> int:
        Socket.objects.bulk_create(
            Socket(channel_name=f"aa-1.{n}", path=f"/game/{n}/", user=users[n % 200], node=node)
            for n in numbers
        )
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(LIST + query).status_code == 200
        return len(captured)

    few = count_queries(range(101))
    assert count_queries(range(101, 10_000)) == few <= 13


@pytest.mark.parametrize(
    "lookup", ["session", "session__gt", "session_id__gt", "session_key__startswith"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_lookup_of_session_keys_in_the_url_is_a_bad_request(admin_client, lookup) -> None:
    assert admin_client.get(f"{LIST}?{lookup}=a").status_code == 400


def test_no_page_of_the_admin_shows_a_session_key(admin_client) -> None:
    store = SessionStore()
    store.create()
    rows = (
        create_socket(1, session_id=store.session_key),
        create_socket(2, session_key="secret-of-a-cache"),
    )
    pages = [admin_client.get(LIST), *(admin_client.get(f"{LIST}{row.pk}/change/") for row in rows)]
    pages += [
        post_action(admin_client, "send_message", *rows),
        post_action(admin_client, "disconnect", *rows),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "/game/1/" in page.text
        assert store.session_key not in page.text
        assert "secret-of" not in page.text


# Permissions.


def test_a_superuser_cannot_add_change_or_delete_a_row(admin_client) -> None:
    row = create_socket()
    page = admin_client.get(f"{LIST}{row.pk}/change/")
    assert "deletelink" not in page.text
    assert 'name="path"' not in page.text
    for path in ("add/", f"{row.pk}/delete/"):
        assert admin_client.get(LIST + path).status_code == 403
        assert admin_client.post(LIST + path, {"post": "yes"}).status_code == 403
    assert admin_client.post(f"{LIST}{row.pk}/change/", {"path": "/x/"}).status_code == 403
    post_action(admin_client, "delete_selected", row, post="yes")
    assert Socket.objects.get().path == "/game/1/"


def test_deleting_a_user_also_deletes_their_rows_without_permission_for_sockets(staff) -> None:
    ada = User.objects.create_user("ada")
    create_socket(user=ada)
    client = staff("view_user", "delete_user")
    page = client.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    assert (page.status_code, User.objects.filter(pk=ada.pk).exists()) == (302, False)
    assert not Socket.objects.exists()


def test_deleting_selected_users_also_deletes_their_rows(staff) -> None:
    ada = User.objects.create_user("ada")
    create_socket(user=ada)
    data = {"action": "delete_selected", "_selected_action": str(ada.pk), "post": "yes"}
    staff("view_user", "delete_user").post("/admin/auth/user/", data)
    assert not Socket.objects.exists()


def test_deleting_a_session_also_deletes_its_rows(staff) -> None:
    client = staff("view_session", "delete_session")
    store = SessionStore()
    store.create()
    create_socket(session_id=store.session_key)
    client.post(f"/admin/sessions/session/{store.session_key}/delete/", {"post": "yes"})
    assert not Session.objects.filter(pk=store.session_key).exists()
    assert not Socket.objects.exists()


@pytest.mark.parametrize(
    ("codenames", "actions"),
    [
        ([], None),
        (["delete_socket"], None),
        (["view_socket"], set()),
        (["view_socket", "change_socket"], {"send_message", "ping"}),
        (["view_socket", "delete_socket"], {"disconnect"}),
    ],
)
def test_a_user_sees_and_can_run_only_the_actions_they_have_permission_for(
    staff, codenames, actions
) -> None:
    client, row = staff(*codenames), create_socket(active=True)
    page = client.get(LIST)
    assert page.status_code == (403 if actions is None else 200)
    form = page.context and page.context.get("action_form")
    assert {name for name, _text in (form.fields["action"].choices if form else []) if name} == (
        actions or set()
    )
    for action in {"send_message", "ping", "disconnect"} - (actions or set()):
        response = post_action(client, action, row, confirmed="1", type="X", code="4000")
        assert not any("socket" in text for text in messages_of(response))
    assert Socket.objects.get().active


def test_a_user_with_only_the_view_permission_sees_sockets_in_the_menu(staff) -> None:
    (app,) = admin.site.get_app_list(staff("view_socket").get(LIST).wsgi_request)
    (model,) = app["models"]
    assert model["perms"] == {"add": False, "change": False, "delete": False, "view": True}


# Forms.


def test_the_message_form_lists_ten_sockets_and_counts_the_rest(admin_client) -> None:
    rows = [create_socket(n) for n in range(12)]
    page = post_action(admin_client, "send_message", *rows)
    assert "The message goes to 12 sockets:" in page.text
    assert "and 2 more" in page.text
    assert page.text.count('name="_selected_action"') == 12


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{no", "This is not valid JSON: "),
        ("[1]", "Enter a JSON object, "),
        ('{"a": "\\ud800"}', "This is not valid JSON: "),
        ('{"a": ' * 300 + "1" + "}" * 300, "This is not valid JSON: "),
    ],
)
def test_the_message_form_rejects_content_that_is_not_a_json_object(
    admin_client, content, error
) -> None:
    row = create_socket()
    page = post_action(admin_client, "send_message", row, type="X", content=content, confirmed="1")
    (message,) = page.context["form"].errors["content"]
    assert message.startswith(error)
    assert page.text.count(f'name="_selected_action" value="{row.pk}"') == 1


def test_the_message_form_accepts_any_json_object() -> None:
    content = '{"type": "Y", "self": null, "big": 123456789012345678901234567890}'
    form = MessageForm({"type": "X", "content": content})
    assert form.is_valid()
    assert Socket.objects.all().send_action("X", **form.cleaned_data["content"]) == 0
    assert MessageForm({"type": "X", "content": ""}).is_valid()
    assert not MessageForm({"type": "X" * 257}).is_valid()


@pytest.mark.parametrize(
    ("code", "reason", "wrong"),
    [
        ("1000", "", set()),
        ("4999", "é" * 61, set()),
        ("1001", "", {"code"}),
        ("5000", "", {"code"}),
        ("4000", "é" * 62, {"reason"}),
    ],
)
def test_the_disconnect_form_checks_the_code_and_the_length_of_the_reason(
    code, reason, wrong
) -> None:
    assert DisconnectForm({"code": code, "reason": reason}).errors.keys() == wrong


def test_an_action_on_sockets_that_have_disconnected_shows_a_warning(admin_client) -> None:
    row = create_socket()
    Socket.objects.all().delete()
    page = post_action(admin_client, "disconnect", row)
    assert page.status_code == 302
    assert messages_of(page) == ["The selected sockets are no longer connected."]


def test_selecting_all_matches_includes_all_pages_and_survives_the_form(admin_client) -> None:
    Socket.objects.bulk_create(
        Socket(channel_name=f"aa-1.{n}", path="/game/1/" if n else "/else/") for n in range(251)
    )
    chosen = {"select_across": "1", "query": "?q=game"}
    page = post_action(admin_client, "send_message", Socket.objects.last(), **chosen)
    assert "The message goes to 250 sockets:" in page.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', page.text))
    response = admin_client.post(f"{LIST}?q=game", {**hidden, "type": "X", "confirmed": "Send"})
    assert messages_of(response) == ["The message was sent to 250 sockets."]
    assert response.url == f"{LIST}?q=game"


# Delivery to clients.

connected = pytest.mark.django_db(transaction=True)


def client_at(path):
    return SocketCommunicator(RoutedSocketHandler.as_asgi(), path, dialect="type")


async def act_on_game(browser, action, **data):
    """Run `action` on the sockets of /game/1/, and return the messages to the user."""
    rows = [row async for row in Socket.objects.filter(path="/game/1/")]
    response = await sync_to_async(post_action)(browser, action, *rows, **data)
    return await sync_to_async(messages_of)(response)


@connected
async def test_a_message_is_sent_only_to_the_selected_sockets(admin_client) -> None:
    async with client_at("/game/1/") as player, client_at("/else/") as other:
        data = {"type": "NEWS", "content": '{"text": "hello"}', "confirmed": "Send"}
        messages = await act_on_game(admin_client, "send_message", **data)
        assert messages == ["The message was sent to 1 socket."]
        await player.expect_event(type="NEWS", text="hello")
        await other.expect_nothing()


@connected
async def test_a_ping_is_sent_and_the_row_is_inactive_until_the_client_answers(
    admin_client,
) -> None:
    async with client_at("/game/1/") as player:
        (message,) = await act_on_game(admin_client, "ping")
        assert message.startswith("1 socket was pinged. ")
        await player.expect_event(type="PING")
        assert not (await Socket.objects.aget()).active


@connected
async def test_a_disconnected_client_receives_the_close_code_from_the_form(admin_client) -> None:
    async with client_at("/game/1/") as player:
        data = {"code": "4100", "reason": "Good night", "confirmed": "Yes"}
        assert await act_on_game(admin_client, "disconnect", **data) == [
            "1 socket was disconnected."
        ]
        await player.expect_close(4100)
    assert not await Socket.objects.aexists()
