"""Who is told what, when, and who is not."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import Signal
from django.http import Http404
from django.test import TestCase
from django.test.utils import override_settings
from rest_framework import serializers
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer, ModelConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer, observer
from rest_channels.testing import SocketCommunicator

from .models import Comment, Country, Tag, Ticket

pytestmark = pytest.mark.django_db(transaction=True)


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["id", "text"]


class Comments(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.all()
    serializer_class = CommentSerializer


class Everything(AsyncAPIConsumer):
    comments = model_observer(Comment, serializer_class=CommentSerializer)

    @action()
    async def subscribe(self, request_id):
        await self.comments.subscribe(request_id=request_id)
        return None, 201

    @action()
    def unsubscribe(self, request_id):
        self.comments.unsubscribe(request_id=request_id)
        return None, 204


def client(consumer=Comments, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def asked(socket, action, request_id=7, **frame):
    await socket.send_json({"action": action, "request_id": request_id, **frame})
    said = await socket.receive_json()
    assert (said["action"], said["request_id"]) == (action, request_id)
    return said["response_status"]


async def told(socket):
    frame = await socket.receive_json()
    data = frame["data"] if frame["data"] is not None else frame["errors"]
    return frame["action"], frame["request_id"], frame["response_status"], data


@pytest.fixture
async def comment():
    return await Comment.objects.acreate(text="a")


@pytest.fixture
async def people():
    return [await User.objects.acreate_user(name) for name in ("ada", "bob")]


# Subscribing.


async def test_each_request_is_told(comment) -> None:
    async with client() as socket:
        for request_id in (1, "two", [3]):
            assert await asked(socket, "subscribe_instance", request_id, pk=comment.pk) == 201
        await comment.asave()
        ids = [(await told(socket))[1] for _ in range(3)]
        assert sorted(map(str, ids)) == ["1", "[3]", "two"]


async def test_to_subscribe_twice_is_to_subscribe_once(comment) -> None:
    async with client() as socket:
        for _ in range(2):
            assert await asked(socket, "subscribe_instance", pk=comment.pk) == 201
        await comment.asave()
        await told(socket)
        await socket.expect_nothing()


@pytest.mark.parametrize(
    ("frame", "left"),
    [
        ({"request_id": 1}, [2]),
        ({"request_id": 1, "pk": 0}, [2]),
        ({"request_id": None, "pk": 0}, []),
        ({"request_id": 3, "pk": 0}, []),
        ({"request_id": 3}, [1, 2]),
    ],
)
async def test_a_request_or_a_row_is_unsubscribed(comment, frame, left) -> None:
    if "pk" in frame:
        frame = {**frame, "pk": comment.pk}
    async with client() as socket:
        for request_id in (1, 2):
            await asked(socket, "subscribe_instance", request_id, pk=comment.pk)
        assert await asked(socket, "unsubscribe_instance", **frame) == 204
        await comment.asave()
        assert sorted([(await told(socket))[1] for _ in left]) == left
        await socket.expect_nothing()


@pytest.mark.parametrize(
    ("name", "frame", "status"),
    [
        ("subscribe_instance", {"request_id": None, "pk": 1}, 400),
        ("subscribe_instance", {}, 400),
        ("subscribe_instance", {"pk": {"a": 1}}, 404),
        ("subscribe_instance", {"pk": 0}, 404),
        ("unsubscribe_instance", {"request_id": None}, 400),
        ("unsubscribe_instance", {"pk": {"a": 1}}, 204),
        ("unsubscribe_instance", {"request_id": {"a": 1}}, 204),
    ],
)
async def test_bad_subscriptions_are_refused(name, frame, status) -> None:
    async with client() as socket:
        assert await asked(socket, name, **frame) == status


async def test_a_row_can_be_left_that_is_gone(comment) -> None:
    async with client() as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        pk = comment.pk
        await comment.adelete()
        assert await told(socket) == ("delete", 7, 204, {"pk": pk})
        assert await asked(socket, "unsubscribe_instance", pk=pk) == 204


async def test_there_is_an_end_to_subscriptions(comment, settings) -> None:
    settings.REST_CHANNELS = {"MAX_SUBSCRIPTIONS": 2}
    async with client() as socket:
        statuses = [await asked(socket, "subscribe_instance", n, pk=comment.pk) for n in range(3)]
        assert statuses == [201, 201, 400]


async def test_a_def_action_may_subscribe_and_unsubscribe() -> None:
    class Subscribing(Everything):
        @action()
        def subscribe(self, request_id):
            return [len(self.comments.subscribe(request_id=request_id))], 201

    async with client(Subscribing) as socket:
        assert await asked(socket, "subscribe") == 201
        made = await Comment.objects.acreate(text="a")
        assert await told(socket) == ("create", 7, 201, {"id": made.pk, "text": "a"})
        assert await asked(socket, "unsubscribe") == 204
        await made.asave()
        await socket.expect_nothing()


async def test_an_observer_may_be_reached_by_its_class() -> None:
    class ByClass(Everything):
        @action()
        async def subscribe(self, request_id):
            groups = await ByClass.comments.subscribe(self, request_id=request_id)
            return sorted(self.groups) == sorted(groups), 201

    async with client(ByClass) as socket:
        assert await asked(socket, "subscribe") == 201
        await Comment.objects.acreate(text="a")
        assert (await told(socket))[0] == "create"


async def test_who_subscribes_when_he_connects_is_told() -> None:
    class FromTheStart(Everything):
        async def connect(self):
            await self.comments.subscribe()

    async with client(FromTheStart) as socket:
        await Comment.objects.acreate(text="a")
        assert (await told(socket))[:2] == ("create", None)


@pytest.mark.parametrize("handles", [False, True])
async def test_no_event_comes_before_the_reply_to_who_asked_for_it(comment, handles) -> None:
    class Slow(Comments):
        @action()
        async def subscribe_instance(self, request_id=None, **kwargs):
            answer = await super().subscribe_instance(request_id=request_id, **kwargs)
            await comment.asave()
            await asyncio.sleep(0.05)
            return answer

        if handles:

            async def handle_observed_action(self, action, group=None, **kwargs):
                await super().handle_observed_action(action, group, **kwargs)

    async with client(Slow) as socket:
        assert await asked(socket, "subscribe_instance", pk=comment.pk) == 201
        assert (await told(socket))[:2] == ("update", 7)


async def test_two_observers_of_one_name_in_one_module_do_not_hear_each_other() -> None:
    def consumer(model):
        class Same(AsyncAPIConsumer):
            @model_observer(model)
            async def activity(self, message, **kwargs):
                await self.send_json(message)

            @action()
            async def subscribe(self):
                await self.activity.subscribe()
                return None, 201

        return Same

    one, two, three = consumer(Comment), consumer(Comment), consumer(Country)
    assert len({one.activity.id, two.activity.id, three.activity.id}) == 3
    async with client(one) as first, client(three) as second:
        await asked(first, "subscribe")
        await asked(second, "subscribe")
        await Country.objects.acreate(code="de")
        assert await second.receive_json() == {"pk": "de"}
        await first.expect_nothing()


# What is told.


async def test_a_handler_is_told_what_it_takes(comment) -> None:
    class Handling(AsyncAPIConsumer):
        @model_observer(Comment, serializer_class=CommentSerializer)
        def activity(
            self, message, action, subscribing_request_ids, message_type, group, observer=None
        ):
            about = [action, subscribing_request_ids, message_type, observer is Handling.activity]
            self.send_json([message, *about, group in self.groups])

        @action()
        async def subscribe(self, request_id):
            await self.activity.subscribe(request_id=request_id)
            return None, 201

    async with client(Handling) as socket:
        await asked(socket, "subscribe")
        await comment.asave()
        row = {"id": comment.pk, "text": "a"}
        assert await socket.receive_json() == [row, "update", [7], "activity", True, True]


async def test_a_key_that_json_does_not_know_is_text() -> None:
    class Keys(AsyncAPIConsumer):
        tickets = model_observer(Ticket)

        @action()
        async def subscribe(self):
            await self.tickets.subscribe()
            return None, 201

    async with client(Keys) as socket:
        await asked(socket, "subscribe")
        ticket = await Ticket.objects.acreate()
        assert (await told(socket))[3] == {"pk": str(ticket.pk)}


async def test_a_row_that_is_deleted_is_told_as_it_was(comment) -> None:
    async with client(Everything) as socket:
        await asked(socket, "subscribe")
        row = {"id": comment.pk, "text": "a"}
        await comment.adelete()
        assert await told(socket) == ("delete", 7, 204, row)


async def test_a_serializer_of_ones_own_sees_the_instance_as_it_was_saved() -> None:
    class Signed(AsyncAPIConsumer):
        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            await self.send_json(message)

        @activity.serializer
        def activity(self, instance, action, **kwargs):
            return {"by": instance.by, "text": instance.text, "action": action.value}

        @action()
        async def subscribe(self):
            await self.activity.subscribe()
            return None, 201

    def save():
        comment = Comment(text="a")
        comment.by = "ada"
        comment.save()
        comment.text = "never saved"

    async with client(Signed) as socket:
        await asked(socket, "subscribe")
        await sync_to_async(save)()
        assert await socket.receive_json() == {"by": "ada", "text": "a", "action": "create"}


async def test_relations_are_told_where_that_is_asked_for() -> None:
    class TicketSerializer(serializers.ModelSerializer):
        class Meta:
            model = Ticket
            fields = ["tags"]

    class Tickets(ModelConsumer):
        queryset = Ticket.objects.all()
        serializer_class = TicketSerializer
        observer_many_to_many_relationships = True

    ticket, tag = await Ticket.objects.acreate(), await Tag.objects.acreate()
    async with client(Tickets) as socket:
        await asked(socket, "subscribe_instance", pk=str(ticket.pk))
        await tag.tickets.aadd(ticket)
        assert (await told(socket))[3] == {"tags": [tag.pk]}
        await tag.adelete()
        assert (await told(socket))[3] == {"tags": []}


async def test_a_lookup_may_be_another_field() -> None:
    class ByName(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = Country.objects.all()
        lookup_field = "name"

        class serializer_class(serializers.ModelSerializer):  # noqa: N801
            class Meta:
                model = Country
                fields = ["code", "name"]

    country = await Country.objects.acreate(code="de", name="Germany")
    async with client(ByName) as socket:
        await asked(socket, "subscribe_instance", name="Germany")
        country.name = "Deutschland"
        await country.asave()
        assert (await told(socket))[3] == {"code": "de", "name": "Deutschland"}
        assert await asked(socket, "unsubscribe_instance", name="Germany", request_id=None) == 204
        await country.asave()
        await socket.expect_nothing()


async def test_what_a_class_overrides_is_called(comment) -> None:
    class Own(Comments):
        async def handle_observed_action(self, action, group=None, **kwargs):
            await self.send_json([action, kwargs, group in self.groups])

    class Older(Comments):
        async def handle_instance_change(self, message, group=None, action=None, **kwargs):
            await self.send_json([action, message, group in self.groups])

    for consumer in (Own, Older):
        async with client(consumer) as socket:
            await asked(socket, "subscribe_instance", pk=comment.pk)
            await comment.asave()
            assert await socket.receive_json() == ["update", {"pk": comment.pk}, True]


async def test_a_retrieve_of_ones_own_shows_the_row(comment) -> None:
    class Own(Comments):
        @action()
        async def retrieve(self, pk, **kwargs):
            return {"own": pk}, 200

    async with client(Own) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert await told(socket) == ("update", 7, 200, {"own": comment.pk})


async def test_a_reply_of_ones_own_is_used(comment) -> None:
    class Own(Comments):
        async def send_json(self, content, close=False):
            await super().send_json({**content, "own": True}, close)

    async with client(Own) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await socket.receive_json())["own"] is True


async def test_each_hears_it_in_his_language(settings) -> None:
    class Spoken(serializers.ModelSerializer):
        said = serializers.SerializerMethodField()

        class Meta:
            model = Comment
            fields = ["said"]

        def get_said(self, comment):
            return str(Http404 and _("Yes"))

    class Speaking(Everything):
        comments = model_observer(Comment, serializer_class=Spoken)

    from django.utils.translation import gettext as _

    german = [("accept-language", "de")]
    async with client(Speaking) as one, client(Speaking, headers=german) as two:
        await asked(one, "subscribe")
        await asked(two, "subscribe")
        await Comment.objects.acreate(text="a")
        assert [(await told(socket))[3]["said"] for socket in (one, two)] == ["Yes", "Ja"]


# Who is told.


class Mine(serializers.ModelSerializer):
    reader = serializers.SerializerMethodField()

    class Meta:
        model = Comment
        fields = ["reader"]

    def get_reader(self, comment):
        request = self.context.get("request")
        return None if request is None else str(request.user)


@pytest.mark.parametrize("kind", ["serializer", "queryset", "observer"])
async def test_fifty_people_each_get_their_own(kind) -> None:
    class Personal(Comments):
        serializer_class = Mine

    class Filtered(Comments):
        def get_queryset(self, **kwargs):
            return Comment.objects.filter(user=self.scope["user"])

        def get_serializer_context(self, **kwargs):
            return {"request": self.request}

        serializer_class = Mine

    class Observing(GenericAsyncAPIConsumer):
        comments = model_observer(Comment, serializer_class=Mine)

        @action()
        async def subscribe_instance(self, request_id, pk):
            await self.comments.subscribe(request_id=request_id)
            return None, 201

    consumer = {"serializer": Personal, "queryset": Filtered, "observer": Observing}[kind]
    people = await User.objects.abulk_create([User(username=f"user{n}") for n in range(50)])
    comment = await Comment.objects.acreate(text="a", user=people[0])
    sockets = [client(consumer, user=user) for user in people]
    for socket in sockets:
        assert (await socket.connect())[0]
        allowed = 201 if kind != "queryset" or socket is sockets[0] else 404
        assert await asked(socket, "subscribe_instance", pk=comment.pk) == allowed
    await comment.asave()
    for socket, user in zip(sockets, people, strict=True):
        if kind != "queryset" or user is people[0]:
            assert (await told(socket))[3] == {"reader": user.username}
        await socket.disconnect()


async def test_people_are_asked_once_each_however_often_they_are_connected(
    comment, people, queries
) -> None:
    asked_for = []

    class Filtered(Comments):
        def get_queryset(self, **kwargs):
            asked_for.append(self.scope["user"])
            return Comment.objects.all()

    sockets = [client(Filtered, user=user) for user in people * 3]
    for socket in sockets:
        await socket.connect()
        await asked(socket, "subscribe_instance", pk=comment.pk)
    asked_for.clear()
    await comment.asave()
    for socket in sockets:
        await told(socket)
    assert sorted(map(str, asked_for)) == ["ada", "bob"]
    for socket in sockets:
        await socket.disconnect()


async def test_who_may_no_longer_see_a_row_is_told_once(comment, people) -> None:
    class Filtered(Comments):
        def get_queryset(self, **kwargs):
            return Comment.objects.filter(user=self.scope["user"])

    comment.user = people[0]
    await comment.asave()
    async with client(Filtered, user=people[0]) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        comment.user = people[1]
        await comment.asave()
        assert await told(socket) == ("update", 7, 404, ["Not found"])
        await comment.asave()
        await socket.expect_nothing()


class Friendly(BasePermission):
    """Who is in the group may see what is not secret."""

    def has_permission(self, request, view):
        return request.user.groups.filter(name="friends").exists()

    def has_object_permission(self, request, view, obj):
        return obj.text != "secret"


class Guarded(Comments):
    permission_classes = [Friendly]
    check_deliveries = True


@pytest.fixture
async def friend(people):
    await people[0].groups.aadd(await Group.objects.acreate(name="friends"))
    return people[0]


async def test_permission_is_asked_to_subscribe(comment, people, friend) -> None:
    async with client(Guarded, user=friend) as socket:
        assert await asked(socket, "subscribe_instance", pk=comment.pk) == 201
        await Comment.objects.filter(pk=comment.pk).aupdate(text="secret")
        await told(socket)
        assert await asked(socket, "subscribe_instance", pk=comment.pk) == 403


@pytest.mark.parametrize("lost", ["right", "object"])
async def test_who_has_lost_a_permission_is_told_once_and_nothing_more(
    comment, friend, lost
) -> None:
    async with client(Guarded, user=friend) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await told(socket))[2] == 200
        if lost == "right":
            await friend.groups.aclear()
        else:
            comment.text = "secret"
        await comment.asave()
        refused = ["You do not have permission to perform this action."]
        assert await told(socket) == ("update", 7, 403, refused)
        comment.text = "b"
        await comment.asave()
        await socket.expect_nothing()


async def test_who_was_deactivated_is_told_nothing(comment, people) -> None:
    async with client(user=people[0]) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        people[0].is_active = False
        await people[0].asave()
        await comment.asave()
        message = await socket._next("a close")
        assert message["type"] == "websocket.close"


async def test_a_password_that_changes_ends_what_is_told(comment, people) -> None:
    async with client(user=await User.objects.aget(pk=people[0].pk)) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        people[0].set_password("new")
        await people[0].asave()
        await comment.asave()
        message = await socket._next("a close")
        assert message["type"] == "websocket.close"


# What it costs.


async def test_three_hundred_subscriptions_cost_two_queries(comment, settings, queries) -> None:
    settings.REST_CHANNELS = {"MAX_SUBSCRIPTIONS": 1_000}
    sockets = [client() for _ in range(30)]
    for socket in sockets:
        await socket.connect()
        for request_id in range(10):
            await asked(socket, "subscribe_instance", request_id, pk=comment.pk)
    queries.clear()
    await comment.asave()
    for socket in sockets:
        for _ in range(10):
            await told(socket)
    assert len(queries) == 2
    for socket in sockets:
        await socket.disconnect()


async def test_where_nobody_listens_a_save_is_a_save(comment, queries) -> None:
    called = []

    class Watching(AsyncAPIConsumer):
        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            """Nobody subscribes."""

        @activity.serializer
        def activity(self, instance, action, **kwargs):
            called.append(instance)

    queries.clear()
    await comment.asave()
    assert (len(queries), called) == (1, [])
    assert Watching.activity.id


# Signals.

paid = Signal()


class Cashier(AsyncAPIConsumer):
    @observer(paid)
    async def on_paid(self, message, subscribing_request_ids=(), **kwargs):
        await self.send_json([message, subscribing_request_ids])

    @on_paid.serializer
    def on_paid(self, signal, amount, **kwargs):
        return {"amount": amount}

    @on_paid.groups_for_signal
    def on_paid(self, amount, message, **kwargs):
        yield "big" if amount > 9 else "small"

    @on_paid.groups_for_consumer
    def on_paid(self, size=None, **kwargs):
        yield size

    @action()
    async def subscribe(self, request_id, size):
        await self.on_paid.subscribe(size=size, request_id=request_id)
        return None, 201


async def test_a_signal_is_told_to_its_groups() -> None:
    async with client(Cashier) as socket:
        await asked(socket, "subscribe", size="big")
        for amount in (1, 10):
            await sync_to_async(paid.send)(sender=None, amount=amount)
        assert await socket.receive_json() == [{"amount": 10}, [7]]
        await socket.expect_nothing()


async def test_a_signal_of_djangos_is_told(people) -> None:
    class Doorman(AsyncAPIConsumer):
        @observer(user_logged_in)
        async def came(self, message, observer=None, **kwargs):
            await self.send_json({"came": message})

        async def connect(self):
            await self.came.subscribe()

    async with client(Doorman) as socket:
        await sync_to_async(user_logged_in.send)(sender=User, request=None, user=people[0])
        assert await socket.receive_json() == {"came": {}}


# In tests of Django's, whose transaction is never committed.


class TestInATestCase(TestCase):
    async def test_observers_speak(self) -> None:
        comment = await Comment.objects.acreate(text="a")
        async with client() as socket:
            await asked(socket, "subscribe_instance", pk=comment.pk)
            comment.text = "b"
            await comment.asave()
            row = {"id": comment.pk, "text": "b"}
            assert await told(socket) == ("update", 7, 200, row)

    async def test_what_an_action_saves_is_told(self) -> None:
        class Writing(Everything):
            @action(atomic=True)
            def write(self):
                Comment.objects.create(text="a")
                return None, 201

        async with client(Writing) as socket:
            await asked(socket, "subscribe")
            await asked(socket, "write")
            assert (await told(socket))[0] == "create"

    @override_settings(REST_CHANNELS={"THREAD_SENSITIVE": True})
    async def test_in_one_thread_as_well(self) -> None:
        await self.test_observers_speak()


# What djangochannelsrestframework's users do.


async def test_an_overridden_accept_is_called_once() -> None:
    class Doorman(AsyncAPIConsumer):
        @observer(paid)
        async def on_paid(self, message, **kwargs):
            await self.send_json("paid")

        async def accept(self, **kwargs):
            await self.on_paid.subscribe()
            await super().accept()
            await self.send_json("welcome")

    async with client(Doorman) as socket:
        assert await socket.receive_json() == "welcome"
        await sync_to_async(paid.send)(sender=None, amount=1)
        assert await socket.receive_json() == "paid"


async def test_hooks_know_what_is_told(comment) -> None:
    class Hooked(Comments):
        def get_serializer_class(self, action=None, **kwargs):
            return CommentSerializer if action == "update" else None

    async with client(Hooked) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await told(socket))[3] == {"id": comment.pk, "text": "a"}


async def test_a_row_may_be_told_by_hand(comment) -> None:
    class ByHand(Comments):
        @action()
        async def again(self, pk):
            await self.handle_observed_action(action="update", pk=pk)

    async with client(ByHand) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await socket.send_json({"action": "again", "pk": comment.pk})
        assert await told(socket) == ("update", 7, 200, {"id": comment.pk, "text": "a"})


async def test_a_handler_may_be_called_by_hand() -> None:
    class ByHand(AsyncAPIConsumer):
        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            await self.send_json(message)

        @action()
        async def again(self):
            await self.activity({"body": {"pk": 1}})

    async with client(ByHand) as socket:
        await socket.send_json({"action": "again"})
        assert await socket.receive_json() == {"pk": 1}


async def test_a_deletion_is_told_even_if_what_it_was_cannot_be() -> None:
    class Failing(AsyncAPIConsumer):
        comments = model_observer(Comment)

        @comments.serializer
        def comments(self, instance, action, **kwargs):
            return {"user": instance.user.username}

        @action()
        async def subscribe(self, request_id):
            await self.comments.subscribe(request_id=request_id)
            return None, 201

    ada = await User.objects.acreate_user("ada")
    comment = await Comment.objects.acreate(text="a", user=ada)
    async with client(Failing) as socket:
        await asked(socket, "subscribe")
        await ada.adelete()
        assert (await told(socket))[3] in ({"pk": comment.pk}, {"user": "ada"})


def test_an_observer_of_another_model_is_no_handle_instance_change() -> None:
    with pytest.raises(TypeError, match="must be a method: it observes the rows of the con"):

        class Other(Comments):
            handle_instance_change = model_observer(Tag)


async def test_groups_that_are_a_text_are_refused(caplog) -> None:
    class Letters(Everything):
        comments = model_observer(Comment)

        @comments.groups_for_signal
        def comments(self, instance, **kwargs):
            return "abc"

    comment = await Comment.objects.acreate(text="a")
    assert comment.pk
    assert "returns the string 'abc' instead of groups: yield it." in caplog.text
