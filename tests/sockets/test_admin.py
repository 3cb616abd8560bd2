"""The admin of sockets: a list of who is connected that one can speak to, and cannot edit."""

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

LIST = "/admin/sockets/socket/"
pytestmark = pytest.mark.django_db


def made(number=1, **fields):
    """A row of a connection that lives on a node that is not here."""
    fields = {"channel_name": f"00000000aa-1.{number:x}", "path": "/game/1/", **fields}
    return Socket.objects.create(**fields)


def listed(response) -> list[Socket]:
    return list(response.context["cl"].result_list)


def told(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def act(client, action, *rows, query="", **data):
    """What the list says to the wish for `action`, or with more data the page after it."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **data}
    return client.post(LIST + query, data if "confirmed" in data else {"index": "0", **data})


@pytest.fixture
def staff(client, django_user_model):
    """`staff("view_socket")`: a browser of somebody who may do just that."""

    def logged_in(*codenames):
        user = django_user_model.objects.create_user("eve", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return logged_in


# The list.


def test_the_newest_comes_first_and_everybody_has_a_name(admin_client) -> None:
    now = timezone.now()
    old = made(1, connected_at=now - timedelta(days=2))
    new = made(2, user=User.objects.create_user("ada"), connected_at=now, user_ip="192.0.2.7")
    response = admin_client.get(LIST)
    assert listed(response) == [new, old]
    cells = re.findall(r'<t[dh] class="field-(?:user_name|user_ip)[^>]*>([^<]+)<', response.text)
    assert cells == ["ada", "192.0.2.7", "anonymous", "-"]


def test_of_today_it_tells_the_time_and_of_other_days_the_day(admin_client, settings) -> None:
    noon = timezone.now().replace(hour=12, minute=0)
    made(connected_at=noon, last_ping=noon - timedelta(days=400))
    page = admin_client.get(LIST).text
    (today,) = re.findall(r'field-since[^>]*><span title="([^"]+)">noon<', page)
    assert today.endswith(f"{noon.year}, noon")
    assert re.search(r'field-last_ping_at[^>]*><span title="([^"]+ noon)">\1<', page)


def test_what_a_dead_process_left_is_not_connected(admin_client) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    made(node=Node.objects.create(name="dead", seen=long_ago), connected_at=long_ago)
    assert listed(admin_client.get(LIST)) == []


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
def test_it_can_be_searched_and_filtered(admin_client, query, found) -> None:
    node = Node.objects.create(name="node-1", seen=timezone.now() + timedelta(hours=1))
    rows = {
        made(1, path="/chat/", user_ip="192.0.2.1").pk: 1,
        made(2, user=User.objects.create_user("ada"), active=True).pk: 2,
        made(3, node=node).pk: 3,
    }
    response = admin_client.get(f"{LIST}?{query}")
    assert {rows[row.pk] for row in listed(response)} == found


def test_users_are_searched_by_what_the_project_calls_them(admin_client, monkeypatch) -> None:
    monkeypatch.setattr(User, "USERNAME_FIELD", "email")
    row = made(user=User.objects.create_user("ada", email="countess@example.com"))
    made(2, user=User.objects.create_user("countess"))
    assert listed(admin_client.get(f"{LIST}?q=countess")) == [row]


@pytest.mark.parametrize("query", ["", "?_facets=1", "?q=game&active__exact=0", "?p=2"])
def test_ten_thousand_rows_take_as_many_queries_as_a_few(admin_client, query) -> None:
    node = Node.objects.create(name="node-1", seen=timezone.now() + timedelta(hours=1))
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(200))

    def queries(numbers) -> int:
        Socket.objects.bulk_create(
            Socket(channel_name=f"aa-1.{n}", path=f"/game/{n}/", user=users[n % 200], node=node)
            for n in numbers
        )
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(LIST + query).status_code == 200
        return len(captured)

    few = queries(range(101))
    assert queries(range(101, 10_000)) == few <= 13


@pytest.mark.parametrize(
    "lookup", ["session", "session__gt", "session_id__gt", "session_key__startswith"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nobody_can_ask_for_the_keys_of_sessions(admin_client, lookup) -> None:
    assert admin_client.get(f"{LIST}?{lookup}=a").status_code == 400


def test_nor_is_one_shown(admin_client) -> None:
    store = SessionStore()
    store.create()
    rows = made(1, session_id=store.session_key), made(2, session_key="secret-of-a-cache")
    pages = [admin_client.get(LIST), *(admin_client.get(f"{LIST}{row.pk}/change/") for row in rows)]
    pages += [act(admin_client, "send_message", *rows), act(admin_client, "disconnect", *rows)]
    for page in pages:
        assert page.status_code == 200
        assert "/game/1/" in page.text
        assert store.session_key not in page.text
        assert "secret-of" not in page.text


# What may be done.


def test_nobody_may_edit_a_row(admin_client) -> None:
    row = made()
    page = admin_client.get(f"{LIST}{row.pk}/change/")
    assert "deletelink" not in page.text
    assert 'name="path"' not in page.text
    for path in ("add/", f"{row.pk}/delete/"):
        assert admin_client.get(LIST + path).status_code == 403
        assert admin_client.post(LIST + path, {"post": "yes"}).status_code == 403
    assert admin_client.post(f"{LIST}{row.pk}/change/", {"path": "/x/"}).status_code == 403
    act(admin_client, "delete_selected", row, post="yes")
    assert Socket.objects.get().path == "/game/1/"


def test_rows_go_with_a_user_that_somebody_may_delete(staff) -> None:
    ada = User.objects.create_user("ada")
    made(user=ada)
    client = staff("view_user", "delete_user")
    page = client.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    assert (page.status_code, User.objects.filter(pk=ada.pk).exists()) == (302, False)
    assert not Socket.objects.exists()


def test_and_with_one_of_several_that_are_selected(staff) -> None:
    ada = User.objects.create_user("ada")
    made(user=ada)
    data = {"action": "delete_selected", "_selected_action": str(ada.pk), "post": "yes"}
    staff("view_user", "delete_user").post("/admin/auth/user/", data)
    assert not Socket.objects.exists()


def test_and_with_a_session(staff) -> None:
    client = staff("view_session", "delete_session")
    store = SessionStore()
    store.create()
    made(session_id=store.session_key)
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
def test_everybody_has_the_actions_he_may_use(staff, codenames, actions) -> None:
    client, row = staff(*codenames), made(active=True)
    page = client.get(LIST)
    assert page.status_code == (403 if actions is None else 200)
    form = page.context and page.context.get("action_form")
    assert {name for name, _text in (form.fields["action"].choices if form else []) if name} == (
        actions or set()
    )
    for action in {"send_message", "ping", "disconnect"} - (actions or set()):
        answer = act(client, action, row, confirmed="1", type="X", code="4000")
        assert not any("socket" in words for words in told(answer))
    assert Socket.objects.get().active


def test_whoever_may_only_look_is_in_the_menu(staff) -> None:
    (app,) = admin.site.get_app_list(staff("view_socket").get(LIST).wsgi_request)
    (model,) = app["models"]
    assert model["perms"] == {"add": False, "change": False, "delete": False, "view": True}


# What is said.


def test_it_is_asked_what_to_send(admin_client) -> None:
    rows = [made(n) for n in range(12)]
    page = act(admin_client, "send_message", *rows)
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
def test_what_is_no_object_cannot_be_sent(admin_client, content, error) -> None:
    row = made()
    page = act(admin_client, "send_message", row, type="X", content=content, confirmed="1")
    (said,) = page.context["form"].errors["content"]
    assert said.startswith(error)
    assert page.text.count(f'name="_selected_action" value="{row.pk}"') == 1


def test_a_message_may_hold_anything_that_is_json() -> None:
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
def test_a_close_frame_has_a_code_and_a_short_reason(code, reason, wrong) -> None:
    assert DisconnectForm({"code": code, "reason": reason}).errors.keys() == wrong


def test_who_has_left_meanwhile_is_told_nothing(admin_client) -> None:
    row = made()
    Socket.objects.all().delete()
    page = act(admin_client, "disconnect", row)
    assert page.status_code == 302
    assert told(page) == ["The selected sockets are no longer connected."]


def test_all_means_all_that_match_through_the_next_page_too(admin_client) -> None:
    Socket.objects.bulk_create(
        Socket(channel_name=f"aa-1.{n}", path="/game/1/" if n else "/else/") for n in range(251)
    )
    chosen = {"select_across": "1", "query": "?q=game"}
    page = act(admin_client, "send_message", Socket.objects.last(), **chosen)
    assert "The message goes to 250 sockets:" in page.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', page.text))
    answer = admin_client.post(f"{LIST}?q=game", {**hidden, "type": "X", "confirmed": "Send"})
    assert told(answer) == ["The message was sent to 250 sockets."]
    assert answer.url == f"{LIST}?q=game"


# What arrives.

connected = pytest.mark.django_db(transaction=True)


def client_at(path):
    return SocketCommunicator(RoutedSocketHandler.as_asgi(), path, dialect="type")


async def acted(browser, action, **data):
    """The words that follow `action` on whoever is on /game/1/."""
    rows = [row async for row in Socket.objects.filter(path="/game/1/")]
    answer = await sync_to_async(act)(browser, action, *rows, **data)
    return await sync_to_async(told)(answer)


@connected
async def test_a_message_arrives_where_it_was_sent(admin_client) -> None:
    async with client_at("/game/1/") as here, client_at("/else/") as there:
        data = {"type": "NEWS", "content": '{"text": "hello"}', "confirmed": "Send"}
        said = await acted(admin_client, "send_message", **data)
        assert said == ["The message was sent to 1 socket."]
        await here.expect_event(type="NEWS", text="hello")
        await there.expect_nothing()


@connected
async def test_a_ping_arrives_and_the_row_waits_for_its_answer(admin_client) -> None:
    async with client_at("/game/1/") as here:
        (said,) = await acted(admin_client, "ping")
        assert said.startswith("1 socket was pinged. ")
        await here.expect_event(type="PING")
        assert not (await Socket.objects.aget()).active


@connected
async def test_a_disconnected_client_is_told_why(admin_client) -> None:
    async with client_at("/game/1/") as here:
        data = {"code": "4100", "reason": "Good night", "confirmed": "Yes"}
        assert await acted(admin_client, "disconnect", **data) == ["1 socket was disconnected."]
        await here.expect_close(4100)
    assert not await Socket.objects.aexists()
