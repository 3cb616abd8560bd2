"""Which frames subscribers receive, and when; clients without permission receive none."""

import asyncio
import threading
from contextlib import closing
from unittest.mock import Mock

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in
from django.db import connection, transaction
from django.dispatch import Signal
from django.http import Http404
from django.test import TestCase
from django.test.utils import override_settings
from django.urls import path as url
from rest_framework import serializers
from rest_framework.permissions import BasePermission

from rest_channels.concurrency.threads import thread_pool
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer, ModelConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer, observer
from rest_channels.routing import SocketApplication
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


class AllComments(AsyncAPIConsumer):
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


async def call(socket, action, request_id=7, **frame):
    await socket.send_json({"action": action, "request_id": request_id, **frame})
    reply = await socket.receive_json()
    assert (reply["action"], reply["request_id"]) == (action, request_id)
    return reply["response_status"]


async def receive(socket):
    frame = await socket.receive_json()
    data = frame["data"] if frame["data"] is not None else frame["errors"]
    return frame["action"], frame["request_id"], frame["response_status"], data


@pytest.fixture
async def comment():
    return await Comment.objects.acreate(text="a")


@pytest.fixture
async def users():
    return [await User.objects.acreate_user(name) for name in ("ada", "bob")]


# Subscribing.


async def test_each_request_that_subscribes_receives_the_change_under_its_own_id(comment) -> None:
    async with client() as socket:
        for request_id in (1, "two", [3]):
            assert await call(socket, "subscribe_instance", request_id, pk=comment.pk) == 201
        await comment.asave()
        ids = [(await receive(socket))[1] for _ in range(3)]
        assert sorted(map(str, ids)) == ["1", "[3]", "two"]


async def test_a_request_that_subscribes_twice_receives_one_frame(comment) -> None:
    async with client() as socket:
        for _ in range(2):
            assert await call(socket, "subscribe_instance", pk=comment.pk) == 201
        await comment.asave()
        await receive(socket)
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
async def test_unsubscribing_ends_one_request_or_all_requests_of_a_row(
    comment, frame, left
) -> None:
    if "pk" in frame:
        frame = {**frame, "pk": comment.pk}
    async with client() as socket:
        for request_id in (1, 2):
            await call(socket, "subscribe_instance", request_id, pk=comment.pk)
        assert await call(socket, "unsubscribe_instance", **frame) == 204
        await comment.asave()
        assert sorted([(await receive(socket))[1] for _ in left]) == left
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
async def test_a_subscription_with_bad_arguments_receives_an_error_status(
    name, frame, status
) -> None:
    async with client() as socket:
        assert await call(socket, name, **frame) == status


async def test_a_client_can_unsubscribe_from_a_deleted_row(comment) -> None:
    async with client() as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        pk = comment.pk
        await comment.adelete()
        assert await receive(socket) == ("delete", 7, 204, {"pk": pk})
        assert await call(socket, "unsubscribe_instance", pk=pk) == 204


async def test_a_connection_with_too_many_subscriptions_receives_a_400_frame(
    comment, settings
) -> None:
    settings.REST_CHANNELS = {"MAX_SUBSCRIPTIONS": 2}
    async with client() as socket:
        statuses = [await call(socket, "subscribe_instance", n, pk=comment.pk) for n in range(3)]
        assert statuses == [201, 201, 400]


async def test_a_def_action_can_subscribe_and_unsubscribe() -> None:
    class Subscribing(AllComments):
        @action()
        def subscribe(self, request_id):
            return [len(self.comments.subscribe(request_id=request_id))], 201

    async with client(Subscribing) as socket:
        assert await call(socket, "subscribe") == 201
        comment = await Comment.objects.acreate(text="a")
        assert await receive(socket) == ("create", 7, 201, {"id": comment.pk, "text": "a"})
        assert await call(socket, "unsubscribe") == 204
        await comment.asave()
        await socket.expect_nothing()


async def test_an_observer_of_a_class_can_subscribe_a_given_consumer() -> None:
    class ByClass(AllComments):
        @action()
        async def subscribe(self, request_id):
            groups = await ByClass.comments.subscribe(self, request_id=request_id)
            return sorted(self.groups) == sorted(groups), 201

    async with client(ByClass) as socket:
        assert await call(socket, "subscribe") == 201
        await Comment.objects.acreate(text="a")
        assert (await receive(socket))[0] == "create"


async def test_a_consumer_that_subscribes_in_connect_receives_changes() -> None:
    class FromTheStart(AllComments):
        async def connect(self):
            await self.comments.subscribe()

    async with client(FromTheStart) as socket:
        await Comment.objects.acreate(text="a")
        assert (await receive(socket))[:2] == ("create", None)


@pytest.mark.parametrize("handles", [False, True])
async def test_no_change_arrives_before_the_reply_to_its_subscription(comment, handles) -> None:
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
        assert await call(socket, "subscribe_instance", pk=comment.pk) == 201
        assert (await receive(socket))[:2] == ("update", 7)


async def test_observers_with_the_same_name_in_a_module_receive_only_their_own_changes() -> None:
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
        await call(first, "subscribe")
        await call(second, "subscribe")
        await Country.objects.acreate(code="de")
        assert await second.receive_json() == {"pk": "de"}
        await first.expect_nothing()


# Frames of subscribers.


async def test_a_handler_receives_the_arguments_that_it_accepts(comment) -> None:
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
        await call(socket, "subscribe")
        await comment.asave()
        row = {"id": comment.pk, "text": "a"}
        assert await socket.receive_json() == [row, "update", [7], "activity", True, True]


async def test_a_key_without_a_json_type_is_sent_as_text() -> None:
    class Keys(AsyncAPIConsumer):
        tickets = model_observer(Ticket)

        @action()
        async def subscribe(self):
            await self.tickets.subscribe()
            return None, 201

    async with client(Keys) as socket:
        await call(socket, "subscribe")
        ticket = await Ticket.objects.acreate()
        assert (await receive(socket))[3] == {"pk": str(ticket.pk)}


async def test_a_deleted_row_is_sent_as_it_was_before(comment) -> None:
    async with client(AllComments) as socket:
        await call(socket, "subscribe")
        row = {"id": comment.pk, "text": "a"}
        await comment.adelete()
        assert await receive(socket) == ("delete", 7, 204, row)


async def test_a_serializer_function_receives_the_instance_as_it_was_saved() -> None:
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
        await call(socket, "subscribe")
        await sync_to_async(save)()
        assert await socket.receive_json() == {"by": "ada", "text": "a", "action": "create"}


async def test_a_consumer_with_many_to_many_observation_receives_relations() -> None:
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
        await call(socket, "subscribe_instance", pk=str(ticket.pk))
        await tag.tickets.aadd(ticket)
        assert (await receive(socket))[3] == {"tags": [tag.pk]}
        await tag.adelete()
        assert (await receive(socket))[3] == {"tags": []}


async def test_a_client_can_subscribe_by_another_lookup_field() -> None:
    class ByName(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = Country.objects.all()
        lookup_field = "name"

        class serializer_class(serializers.ModelSerializer):  # noqa: N801
            class Meta:
                model = Country
                fields = ["code", "name"]

    country = await Country.objects.acreate(code="de", name="Germany")
    async with client(ByName) as socket:
        await call(socket, "subscribe_instance", name="Germany")
        country.name = "Deutschland"
        await country.asave()
        assert (await receive(socket))[3] == {"code": "de", "name": "Deutschland"}
        assert await call(socket, "unsubscribe_instance", name="Germany", request_id=None) == 204
        await country.asave()
        await socket.expect_nothing()


async def test_a_consumer_that_overrides_a_notification_hook_has_it_called(comment) -> None:
    class Overriding(Comments):
        async def handle_observed_action(self, action, group=None, **kwargs):
            await self.send_json([action, kwargs, group in self.groups])

    class OverridingHandler(Comments):
        async def handle_instance_change(self, message, group=None, action=None, **kwargs):
            await self.send_json([action, message, group in self.groups])

    for consumer in (Overriding, OverridingHandler):
        async with client(consumer) as socket:
            await call(socket, "subscribe_instance", pk=comment.pk)
            await comment.asave()
            assert await socket.receive_json() == ["update", {"pk": comment.pk}, True]


async def test_a_consumer_that_overrides_retrieve_sends_its_return_value(comment) -> None:
    class Overriding(Comments):
        @action()
        async def retrieve(self, pk, **kwargs):
            return {"own": pk}, 200

    async with client(Overriding) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert await receive(socket) == ("update", 7, 200, {"own": comment.pk})


async def test_a_consumer_that_overrides_send_json_sends_changes_through_it(comment) -> None:
    class Overriding(Comments):
        async def send_json(self, content, close=False):
            await super().send_json({**content, "own": True}, close)

    async with client(Overriding) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await socket.receive_json())["own"] is True


async def test_each_client_receives_a_change_in_its_own_language(settings) -> None:
    class Translated(serializers.ModelSerializer):
        answer = serializers.SerializerMethodField()

        class Meta:
            model = Comment
            fields = ["answer"]

        def get_answer(self, comment):
            return str(Http404 and _("Yes"))

    class Answering(AllComments):
        comments = model_observer(Comment, serializer_class=Translated)

    from django.utils.translation import gettext as _

    german = [("accept-language", "de")]
    async with client(Answering) as one, client(Answering, headers=german) as two:
        await call(one, "subscribe")
        await call(two, "subscribe")
        await Comment.objects.acreate(text="a")
        assert [(await receive(socket))[3]["answer"] for socket in (one, two)] == ["Yes", "Ja"]


# Subscribers with and without permission.


class ReaderSerializer(serializers.ModelSerializer):
    reader = serializers.SerializerMethodField()

    class Meta:
        model = Comment
        fields = ["reader"]

    def get_reader(self, comment):
        request = self.context.get("request")
        return None if request is None else str(request.user)


@pytest.mark.parametrize("kind", ["serializer", "queryset", "observer"])
async def test_fifty_users_each_receive_their_own_rendering(kind) -> None:
    class PerUser(Comments):
        serializer_class = ReaderSerializer

    class Filtered(Comments):
        def get_queryset(self, **kwargs):
            return Comment.objects.filter(user=self.scope["user"])

        def get_serializer_context(self, **kwargs):
            return {"request": self.request}

        serializer_class = ReaderSerializer

    class Observing(GenericAsyncAPIConsumer):
        comments = model_observer(Comment, serializer_class=ReaderSerializer)

        @action()
        async def subscribe_instance(self, request_id, pk):
            await self.comments.subscribe(request_id=request_id)
            return None, 201

    consumer = {"serializer": PerUser, "queryset": Filtered, "observer": Observing}[kind]
    users = await User.objects.abulk_create([User(username=f"user{n}") for n in range(50)])
    comment = await Comment.objects.acreate(text="a", user=users[0])
    sockets = [client(consumer, user=user) for user in users]
    for socket in sockets:
        assert (await socket.connect())[0]
        allowed = 201 if kind != "queryset" or socket is sockets[0] else 404
        assert await call(socket, "subscribe_instance", pk=comment.pk) == allowed
    await comment.asave()
    for socket, user in zip(sockets, users, strict=True):
        if kind != "queryset" or user is users[0]:
            assert (await receive(socket))[3] == {"reader": user.username}
        await socket.disconnect()


@pytest.mark.parametrize("through_site", [False, True])
async def test_a_row_is_rendered_once_for_all_connections_of_a_user(
    comment, users, queries, through_site
) -> None:
    rendered_for = []

    class Filtered(Comments):
        def get_queryset(self, **kwargs):
            rendered_for.append(self.scope["user"])
            return Comment.objects.all()

    application = Filtered.as_asgi()
    if through_site:
        application = SocketApplication([url("", application)])
    sockets = [SocketCommunicator(application, dialect="action", user=user) for user in users * 3]
    for socket in sockets:
        await socket.connect()
        await call(socket, "subscribe_instance", pk=comment.pk)
    rendered_for.clear()
    await comment.asave()
    for socket in sockets:
        await receive(socket)
    assert sorted(map(str, rendered_for)) == ["ada", "bob"]
    for socket in sockets:
        await socket.disconnect()


async def test_a_client_whose_queryset_lost_the_row_receives_one_404_frame(comment, users) -> None:
    class Filtered(Comments):
        def get_queryset(self, **kwargs):
            return Comment.objects.filter(user=self.scope["user"])

    comment.user = users[0]
    await comment.asave()
    async with client(Filtered, user=users[0]) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        comment.user = users[1]
        await comment.asave()
        assert await receive(socket) == ("update", 7, 404, ["Not found"])
        await comment.asave()
        await socket.expect_nothing()


class FriendsSeeOpenComments(BasePermission):
    """Members of the group `friends` may see comments that are not secret."""

    def has_permission(self, request, view):
        return request.user.groups.filter(name="friends").exists()

    def has_object_permission(self, request, view, obj):
        return obj.text != "secret"


class Guarded(Comments):
    permission_classes = [FriendsSeeOpenComments]
    check_deliveries = True


@pytest.fixture
async def friend(users):
    await users[0].groups.aadd(await Group.objects.acreate(name="friends"))
    return users[0]


async def test_subscribing_to_a_row_checks_the_object_permission(comment, users, friend) -> None:
    async with client(Guarded, user=friend) as socket:
        assert await call(socket, "subscribe_instance", pk=comment.pk) == 201
        await Comment.objects.filter(pk=comment.pk).aupdate(text="secret")
        await receive(socket)
        assert await call(socket, "subscribe_instance", pk=comment.pk) == 403


@pytest.mark.parametrize("lost", ["group", "object"])
async def test_a_client_that_lost_its_permission_receives_one_403_frame(
    comment, friend, lost
) -> None:
    async with client(Guarded, user=friend) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await receive(socket))[2] == 200
        if lost == "group":
            await friend.groups.aclear()
        else:
            comment.text = "secret"
        await comment.asave()
        errors = ["You do not have permission to perform this action."]
        assert await receive(socket) == ("update", 7, 403, errors)
        comment.text = "b"
        await comment.asave()
        await socket.expect_nothing()


async def test_a_deactivated_user_receives_no_change_and_is_closed(comment, users) -> None:
    async with client(user=users[0]) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        users[0].is_active = False
        await users[0].asave()
        await comment.asave()
        message = await socket._next("a close")
        assert message["type"] == "websocket.close"


async def test_a_user_who_is_deactivated_in_the_commit_of_a_change_does_not_receive_it(
    comment, users
) -> None:
    received = threading.Event()

    def commit():
        with closing(connection), transaction.atomic():
            transaction.on_commit(lambda: received.wait(5))  # a slow hook of the project
            comment.save()
            users[0].is_active = False
            users[0].save()

    async with client(user=await User.objects.aget(pk=users[0].pk)) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        committing = asyncio.create_task(asyncio.to_thread(commit))
        message = await socket._next("a close")
        received.set()
        await committing
        assert message["type"] == "websocket.close"


async def test_a_user_whose_password_changed_receives_no_change_and_is_closed(
    comment, users
) -> None:
    async with client(user=await User.objects.aget(pk=users[0].pk)) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        users[0].set_password("new")
        await users[0].asave()
        await comment.asave()
        message = await socket._next("a close")
        assert message["type"] == "websocket.close"


# Queries of a save.


async def test_a_save_with_three_hundred_subscriptions_makes_two_queries(
    comment, settings, queries
) -> None:
    settings.REST_CHANNELS = {"MAX_SUBSCRIPTIONS": 1_000}
    sockets = [client() for _ in range(30)]
    for socket in sockets:
        await socket.connect()
        for request_id in range(10):
            await call(socket, "subscribe_instance", request_id, pk=comment.pk)
    queries.clear()
    await comment.asave()
    for socket in sockets:
        for _ in range(10):
            await receive(socket)
    assert len(queries) == 2
    for socket in sockets:
        await socket.disconnect()


async def test_a_save_without_subscribers_makes_one_query_and_no_message(comment, queries) -> None:
    called = []

    class Watching(AsyncAPIConsumer):
        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            """No client subscribes."""

        @activity.serializer
        def activity(self, instance, action, **kwargs):
            called.append(instance)

    queries.clear()
    await comment.asave()
    assert (len(queries), called) == (1, [])
    assert Watching.activity.id


# Signals.

paid = Signal()


class Payments(AsyncAPIConsumer):
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


async def test_a_signal_is_sent_only_to_subscribers_of_its_groups() -> None:
    async with client(Payments) as socket:
        await call(socket, "subscribe", size="big")
        for amount in (1, 10):
            await sync_to_async(paid.send)(sender=None, amount=amount)
        assert await socket.receive_json() == [{"amount": 10}, [7]]
        await socket.expect_nothing()


async def test_a_signal_of_django_is_sent_to_subscribers(users) -> None:
    class SendLogins(AsyncAPIConsumer):
        @observer(user_logged_in)
        async def logged_in(self, message, observer=None, **kwargs):
            await self.send_json({"user": message})

        async def connect(self):
            await self.logged_in.subscribe()

    async with client(SendLogins) as socket:
        await sync_to_async(user_logged_in.send)(sender=User, request=None, user=users[0])
        assert await socket.receive_json() == {"user": {}}


async def test_a_handler_that_is_async_takes_no_thread(monkeypatch) -> None:
    async with client(Payments) as socket:
        await call(socket, "subscribe", size="big")
        threads = Mock()
        monkeypatch.setattr(thread_pool, "submit", threads)
        paid.send(sender=None, amount=10)
        assert await socket.receive_json() == [{"amount": 10}, [7]]
        monkeypatch.undo()
    assert not threads.called


# In Django's `TestCase`, whose transaction is never committed.


class TestInATestCase(TestCase):
    async def test_a_subscriber_receives_a_change_that_the_test_saves(self) -> None:
        comment = await Comment.objects.acreate(text="a")
        async with client() as socket:
            await call(socket, "subscribe_instance", pk=comment.pk)
            comment.text = "b"
            await comment.asave()
            row = {"id": comment.pk, "text": "b"}
            assert await receive(socket) == ("update", 7, 200, row)

    async def test_a_subscriber_receives_a_change_that_an_action_saves(self) -> None:
        class Writing(AllComments):
            @action(atomic=True)
            def write(self):
                Comment.objects.create(text="a")
                return None, 201

        async with client(Writing) as socket:
            await call(socket, "subscribe")
            await call(socket, "write")
            assert (await receive(socket))[0] == "create"

    @override_settings(REST_CHANNELS={"THREAD_SENSITIVE": True})
    async def test_a_subscriber_receives_a_change_with_thread_sensitive_handlers(self) -> None:
        await self.test_a_subscriber_receives_a_change_that_the_test_saves()


# Code of users of djangochannelsrestframework.


async def test_an_overridden_accept_is_called_once_and_can_subscribe() -> None:
    class SubscribeInAccept(AsyncAPIConsumer):
        @observer(paid)
        async def on_paid(self, message, **kwargs):
            await self.send_json("paid")

        async def accept(self, **kwargs):
            await self.on_paid.subscribe()
            await super().accept()
            await self.send_json("welcome")

    async with client(SubscribeInAccept) as socket:
        assert await socket.receive_json() == "welcome"
        await sync_to_async(paid.send)(sender=None, amount=1)
        assert await socket.receive_json() == "paid"


async def test_hooks_of_a_consumer_receive_the_action_of_the_change(comment) -> None:
    class Hooked(Comments):
        def get_serializer_class(self, action=None, **kwargs):
            return CommentSerializer if action == "update" else None

    async with client(Hooked) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await receive(socket))[3] == {"id": comment.pk, "text": "a"}


async def test_an_action_can_call_handle_observed_action_itself(comment) -> None:
    class Calling(Comments):
        @action()
        async def repeat(self, pk):
            await self.handle_observed_action(action="update", pk=pk)

    async with client(Calling) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await socket.send_json({"action": "repeat", "pk": comment.pk})
        assert await receive(socket) == ("update", 7, 200, {"id": comment.pk, "text": "a"})


async def test_an_action_can_call_an_observers_handler_itself() -> None:
    class Calling(AsyncAPIConsumer):
        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            await self.send_json(message)

        @action()
        async def repeat(self):
            await self.activity({"body": {"pk": 1}})

    async with client(Calling) as socket:
        await socket.send_json({"action": "repeat"})
        assert await socket.receive_json() == {"pk": 1}


async def test_a_deletion_that_cannot_be_serialized_is_sent_with_its_key() -> None:
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
        await call(socket, "subscribe")
        await ada.adelete()
        assert (await receive(socket))[3] in ({"pk": comment.pk}, {"user": "ada"})


def test_handle_instance_change_cannot_be_an_observer_of_another_model() -> None:
    message = "must be a method: it observes the rows of the consumer's own model"
    with pytest.raises(TypeError, match=message):

        class Other(Comments):
            handle_instance_change = model_observer(Tag)


async def test_groups_for_signal_that_returns_a_string_is_logged_as_an_error(caplog) -> None:
    class GroupsAsString(AllComments):
        comments = model_observer(Comment)

        @comments.groups_for_signal
        def comments(self, instance, **kwargs):
            return "abc"

    comment = await Comment.objects.acreate(text="a")
    assert comment.pk
    assert "returns the string 'abc' instead of groups: yield it." in caplog.text
