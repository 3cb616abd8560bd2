"""`@socket.live`: the clients of a `SocketRouter` keep a list that equals a queryset."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from rest_channels.testing import SocketCommunicator
from sockets import SocketRouter

pytestmark = pytest.mark.django_db(transaction=True)


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class SeenBy(serializers.ModelSerializer):
    seen_by = serializers.SerializerMethodField()

    class Meta:
        model = Group
        fields = ["seen_by"]

    def get_seen_by(self, row):
        return f"{self.context['socket'].path} {row.name}"


page = SocketRouter()


@page.live("GROUPS", serializer_class=GroupSerializer, stop="STOP_GROUPS")
def groups(socket, content):
    if content.get("letter") == "secret":
        raise PermissionDenied("Not for you.")
    return Group.objects.filter(name__startswith=content.get("letter", "")).order_by("name")


@page.live("SEEN", serializer_class=SeenBy)
def seen(socket, content):
    return Group.objects.order_by("name")


@pytest.fixture
async def client():
    await Group.objects.acreate(name="alder")
    async with SocketCommunicator(page.as_asgi(), "/page/", dialect="type") as client:
        yield client


async def ask(client, name="GROUPS", **content):
    """Ask for a list. Return the answer without its time."""
    await client.send_json({"type": name, **content})
    return await received(client)


async def received(client):
    frame = await client.receive_json()
    frame.pop("TIMESTAMP")
    return frame


def names(rows):
    return [row["name"] for row in rows]


async def test_the_answer_has_the_rows_and_a_tag_of_each(client):
    answer = await ask(client)
    assert (answer["type"], names(answer["rows"]), len(answer["tags"])) == ("GROUPS", ["alder"], 1)


async def test_what_differs_is_sent_after_a_commit(client):
    answer = await ask(client)
    row = await Group.objects.acreate(name="birch")
    diff = await received(client)
    first = answer["rows"][0]["id"]
    entered = [first, {"id": row.pk, "name": "birch"}, diff["enter"][0][2]]
    assert diff == {"type": "GROUPS", "leave": [], "enter": [entered], "move": [], "change": []}


async def test_the_content_of_the_message_chooses_the_rows(client):
    await ask(client, letter="b")
    await Group.objects.acreate(name="cedar")
    await Group.objects.acreate(name="birch")
    assert names(row for _after, row, _tag in (await received(client))["enter"]) == ["birch"]


async def test_a_second_message_replaces_the_list(client):
    await ask(client, letter="b")
    await ask(client, letter="c")
    await Group.objects.acreate(name="birch")
    await Group.objects.acreate(name="cedar")
    assert names(row for _after, row, _tag in (await received(client))["enter"]) == ["cedar"]
    await client.expect_nothing()


async def test_a_client_that_comes_back_gets_what_differs(client):
    answer = await ask(client)
    have = {str(answer["rows"][0]["id"]): answer["tags"][0]}
    assert (await ask(client, have=have))["enter"] == []


async def test_it_ends_with_the_message_that_is_named(client):
    await ask(client)
    await client.send_json({"type": "STOP_GROUPS"})
    await client.send_json({"type": "HELLO"})
    await client.receive_json()
    await Group.objects.acreate(name="birch")
    await client.expect_nothing()


async def test_a_client_that_has_left_is_no_subscriber(client):
    await ask(client)
    await client.disconnect()
    await Group.objects.acreate(name="birch")


async def test_an_error_of_the_function_is_answered(client):
    answer = await ask(client, letter="secret")
    assert (answer["type"], answer["details"]) == ("ERROR", "Not for you.")


async def test_the_serializer_may_read_its_socket(client):
    assert (await ask(client, "SEEN"))["rows"][0]["seen_by"] == "/page/ alder"
    await Group.objects.acreate(name="birch")
    assert (await received(client))["enter"][0][1]["seen_by"] == "/page/ birch"


async def test_a_list_that_the_client_may_not_see_any_more_ends_with_an_error(client):
    allowed = [True]
    own = SocketRouter()

    @own.live("OWN", serializer_class=GroupSerializer, reread=0.05)
    def rows(socket, content):
        if not allowed:
            raise PermissionDenied("Not any more.")
        return Group.objects.order_by("name")

    async with SocketCommunicator(own.as_asgi(), dialect="type") as client:
        await ask(client, "OWN")
        allowed.clear()
        assert (await received(client))["details"] == "Not any more."
        await Group.objects.acreate(name="birch")
        await client.expect_nothing()


async def test_rows_that_a_thread_writes_are_told(client):
    await ask(client)
    await sync_to_async(Group.objects.create)(name="birch")
    assert len((await received(client))["enter"]) == 1


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"type": 7}, "takes a type"),
        ({"type": "A", "serializer_class": dict}, "serializer_class"),
        ({"type": "A", "reread": 0}, "reread"),
        ({"type": "A", "stop": 7}, "stop"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error):
    with pytest.raises(TypeError, match=error):
        SocketRouter().live(**{"serializer_class": GroupSerializer, **arguments})


def test_an_async_function_is_refused():
    with pytest.raises(TypeError, match="def"):

        @SocketRouter().live("A", serializer_class=GroupSerializer)
        async def rows(socket, content):
            """It would be called in a thread."""
