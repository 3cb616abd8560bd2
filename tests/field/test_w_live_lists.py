"""Live lists: what guards the rows and what is written for a list counts, or is refused early."""

import json
import logging

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied as DjangoDenied
from django.http import Http404
from rest_framework import permissions as drf
from rest_framework import serializers
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import NotFound, PermissionDenied

from rest_channels.checks.live_lists import live_list_messages
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, detached
from rest_channels.engine import publish
from rest_channels.live import shared_query
from rest_channels.observer import ObserverModelListMixin, live_query, model_observer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.live.client import client, subscribe
from tests.live.rows import TagSerializer, TitleSerializer
from tests.observer.models import Tag, Ticket

pytestmark = pytest.mark.django_db(transaction=True)


def lists(**attributes):
    """Make a consumer with `subscribe_list`."""
    given = {"queryset": Tag.objects.order_by("name"), "serializer_class": TagSerializer}
    return type("Lists", (ObserverModelListMixin, GenericAsyncAPIConsumer), given | attributes)


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username"]


def errors_in(caplog):
    return [each for each in caplog.records if each.levelno >= logging.ERROR]


async def make(*names):
    for name in names:
        await Tag.objects.acreate(name=name)


class HidesSecrets(drf.BasePermission):
    error: Exception | None = None

    def has_object_permission(self, request, view, obj):
        if obj.name == "secret" and self.error is not None:
            raise self.error
        return obj.name != "secret"


@pytest.mark.parametrize("authenticators", [[], [TokenAuthentication]])
@pytest.mark.parametrize(
    "error", [None, PermissionDenied(), NotFound(), DjangoDenied(), Http404()], ids=repr
)
async def test_a_row_is_hidden_however_a_permission_refuses_it(
    caplog, error, authenticators
) -> None:
    permission = type("Hides", (HidesSecrets,), {"error": error})
    await make("a", "secret")
    consumer = lists(permission_classes=[permission], authentication_classes=authenticators)
    async with client(consumer) as socket:
        tags = await subscribe(socket)
        assert tags.shown == ["a"]
        await make("b")
        await tags.until("a", "b")
    assert not errors_in(caplog)


class OfRequests:
    def has_permission(self, request, view):
        return True


class OfScopes:
    def has_permission(self, scope, consumer, action, **kwargs):
        return True


@pytest.mark.parametrize("permission", [OfRequests, OfScopes])
async def test_a_permission_of_no_base_that_checks_no_objects_guards_the_list(permission) -> None:
    await make("a")
    async with client(lists(permission_classes=[permission])) as socket:
        assert (await subscribe(socket)).shown == ["a"]


@pytest.mark.parametrize(
    ("error", "status"), [(PermissionDenied(), 403), (DjangoDenied(), 403), (Http404(), 404)]
)
async def test_a_client_who_may_not_be_rendered_for_is_answered_and_logs_no_error(
    caplog, error, status
) -> None:
    allowed = []

    def get_serializer_class(self):
        if allowed:
            return TagSerializer
        raise error

    await make("a")
    async with client(lists(get_serializer_class=get_serializer_class)) as socket:
        await socket.expect_reply(await socket.call("subscribe_list"), status=status)
        allowed.append(True)
        await subscribe(socket)
        allowed.clear()
        await make("b")
        assert (await socket.expect_event())["response_status"] == status
        allowed.append(True)
        await make("c")
        await socket.expect_nothing()
    assert not errors_in(caplog)


async def test_a_limit_above_the_setting_reads_no_more_rows_than_the_setting(
    settings, monkeypatch
) -> None:
    settings.REST_CHANNELS = {"MAX_LIVE_ROWS": 3}
    await make(*"abcdefgh")
    read = []
    row_key = shared_query.row_key
    monkeypatch.setattr(shared_query, "row_key", lambda key: read.append(key) or row_key(key))
    async with client(lists(live_limit=7)) as socket:
        await socket.expect_reply(await socket.call("subscribe_list"), status=400)
    assert len(read) == 4


async def awaited(self, rows):
    return []


@pytest.mark.parametrize(
    "written", ["rows", [1], awaited, lambda self: [], classmethod(lambda cls: [])]
)
def test_viewers_that_find_nobody_are_refused(written) -> None:
    with pytest.raises(TypeError, match=r"Lists\.viewers"):
        lists(viewers=written)


@pytest.mark.parametrize(
    "written",
    [lambda self, rows: [], staticmethod(lambda rows: []), classmethod(lambda cls, rows: [])],
    ids=["method", "static", "class"],
)
async def test_viewers_may_be_any_kind_of_method(written) -> None:
    await make("a")
    async with client(lists(viewers=written)) as socket:
        assert (await subscribe(socket)).shown == ["a"]


@pytest.mark.parametrize("attributes", [{"live_limit": True}, {"live_limit": "5"}, {"viewers": 5}])
def test_as_asgi_refuses_the_same_values(attributes) -> None:
    with pytest.raises(TypeError, match=r"live_limit = .* is not a number of rows|'viewers'"):
        lists().as_asgi(**attributes)


@pytest.mark.parametrize("base", [GenericAsyncAPIConsumer, SocketView])
def test_a_limit_without_a_list_is_refused(base) -> None:
    with pytest.raises(TypeError, match="derive the class from ObserverModelListMixin"):
        type("Notes", (base,), {"live_limit": 5})


class TitleOnly(serializers.ModelSerializer):
    class Meta:
        model = Ticket
        fields = ["id", "title"]


def own_class(**attributes):
    """A list that shows tickets with `TitleSerializer`, in a way that `attributes` say."""
    given = {"queryset": Ticket.objects.order_by("title"), "serializer_class": TitleOnly}
    return lists(**given | attributes)


class WithOption(own_class()):
    @action(serializer_class=TitleSerializer)
    async def subscribe_list(self, **kwargs):
        return await super().subscribe_list(**kwargs)


WAYS = {
    "option": WithOption.as_asgi,
    "as_asgi": lambda: own_class().as_asgi(serializer_class=TitleSerializer),
    "hook": lambda: own_class(get_serializer_class=lambda self: TitleSerializer).as_asgi(),
}


@pytest.mark.parametrize("make_application", WAYS.values(), ids=WAYS)
async def test_the_serializer_of_an_action_renders_the_list_and_is_followed(
    make_application,
) -> None:
    tag = await Tag.objects.acreate(name="old")
    ticket = await Ticket.objects.acreate(title="a")
    await ticket.tags.aadd(tag)
    others = client(own_class())
    async with others, SocketCommunicator(make_application(), dialect="action") as socket:
        await subscribe(others)
        tickets = await subscribe(socket)
        (row, _tag), *_ = tickets.rows.values()
        assert row == {"id": str(ticket.pk), "title": "a", "names": ["old"]}
        tag.name = "new"
        await tag.asave()
        await tickets.next()
        (row, _tag), *_ = tickets.rows.values()
        assert row["names"] == ["new"]
        await others.expect_nothing()


def rows(self):
    return Tag.objects.order_by("name")


QUERY = live_query(serializer_class=TagSerializer)


@pytest.mark.parametrize("base", [SocketView, SocketConsumer])
def test_a_live_query_of_a_class_without_actions_is_refused(base) -> None:
    with pytest.raises(TypeError, match="derive the class from AsyncAPIConsumer"):
        type("Wrong", (base,), {"rows": QUERY(rows)})


def test_the_list_of_a_class_without_rows_is_refused() -> None:
    with pytest.raises(TypeError, match="GenericAsyncAPIConsumer"):
        type("Wrong", (ObserverModelListMixin, AsyncAPIConsumer), {})


async def wait(self):
    return None, 200


@pytest.mark.parametrize(
    "decorate",
    [
        lambda: QUERY(action()(lambda self: None)),
        lambda: action()(QUERY(rows)),
        lambda: QUERY(detached(wait)),
        lambda: QUERY(QUERY(rows)),
        lambda: QUERY(Tag.objects.all()),
        lambda: QUERY(staticmethod(rows)),
        lambda: QUERY(property(rows)),
    ],
)
def test_a_live_query_with_another_decorator_is_refused(decorate) -> None:
    with pytest.raises(TypeError, match=r"@live_query|@action"):
        decorate()


def boom(row):
    raise ValueError(row)


async def test_a_client_cannot_fill_the_log_with_a_list_that_fails(caplog) -> None:
    serializer = type("Fails", (TagSerializer,), {"to_representation": lambda self, row: boom(row)})
    await make("a")
    async with client(lists(serializer_class=serializer)) as socket:
        for _ in range(60):
            await socket.expect_reply(await socket.call("subscribe_list"), status=500)
        await make(*map(str, range(30)))
        for _ in range(3):
            await socket.expect_reply(await socket.call("subscribe_list"), status=500)
    assert 0 < len(errors_in(caplog)) <= 40


async def test_a_client_cannot_fill_the_log_with_a_list_that_is_refused(caplog) -> None:
    consumer = lists(queryset=Tag.objects.extra(where=["1 = 1"]))
    async with client(consumer) as socket:
        for _ in range(60):
            await socket.expect_reply(await socket.call("subscribe_list"), status=400)
    assert 0 < len([each for each in caplog.messages if "is refused" in each]) <= 20


@pytest.mark.parametrize("queryset", [Tag.objects, Tag.objects.all()])
def test_a_manager_is_checked_as_a_queryset(queryset) -> None:
    assert list(live_list_messages(lists(queryset=queryset))) == []


async def test_a_unit_test_reads_the_list_of_a_consumer_that_was_never_connected() -> None:
    await make("a", "b")
    consumer = lists(rows=QUERY(rows))()
    consumer.scope = {}
    found, status = await consumer.subscribe_list(request_id=1)
    assert [row["name"] for row in json.loads(found.body)["rows"]] == ["a", "b"]
    assert status == 201
    assert (await consumer.rows.subscribe(request_id=1)).body == found.body
    assert await consumer.unsubscribe_list() == (None, 204)
    consumer = lists(get_queryset=lambda self: boom(1))()
    consumer.scope = {}
    with pytest.raises(ValueError, match="1"):
        await consumer.subscribe_list(request_id=1)


class ShowsKind(serializers.ModelSerializer):
    """A serializer that reads an argument of the route."""

    name = serializers.SerializerMethodField()

    class Meta:
        model = Tag
        fields = ["id", "name"]

    def get_name(self, row):
        return self.context["scope"]["url_route"]["kwargs"]["kind"]


async def test_lists_of_routes_with_other_arguments_share_no_rendering() -> None:
    ada = await User.objects.acreate_user("ada")
    consumer = lists(serializer_class=ShowsKind)
    one = client(consumer, user=ada, kwargs={"kind": "one"})
    two = client(consumer, user=ada, kwargs={"kind": "two"})
    async with one, two:
        found = [await subscribe(one), await subscribe(two)]
        await make("a")
        await found[0].until("one")
        await found[1].until("two")


class Changes(AsyncAPIConsumer):
    @model_observer(Tag, serializer_class=ShowsKind)
    async def tag_changes(self, message, **kwargs):
        await self.send_json(message.data)

    async def connect(self):
        await self.accept()
        await self.tag_changes.subscribe()


async def test_changes_for_routes_with_other_arguments_share_no_rendering() -> None:
    ada = await User.objects.acreate_user("ada")
    one = client(Changes, user=ada, kwargs={"kind": "one"})
    two = client(Changes, user=ada, kwargs={"kind": "two"})
    async with one, two:
        await make("a")
        assert (await one.receive_json())["name"] == "one"
        assert (await two.receive_json())["name"] == "two"


async def test_checks_of_a_login_are_told_of_a_save_before_lists_without_a_transaction_too(
    monkeypatch,
) -> None:
    ada = await User.objects.acreate(username="ada")
    sent, send_packets = [], publish.send_packets

    def note(*packets):
        sent.extend(type(packet).__name__ for _group, packet in packets)
        return send_packets(*packets)

    async with client(
        lists(queryset=User.objects.all(), serializer_class=UserSerializer)
    ) as socket:
        await subscribe(socket)
        monkeypatch.setattr(publish, "send_packets", note)
        await ada.asave()
    assert sent[:2] == ["CommandPacket", "Event"]  # other tests may have let users be watched twice
