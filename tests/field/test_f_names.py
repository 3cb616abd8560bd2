"""Names that users of djangochannelsrestframework import: supported, or refused with the cure."""

import asyncio
import warnings

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.signals import post_save
from rest_framework.serializers import ModelSerializer

from rest_channels.concurrency.execution import run
from rest_channels.consumers import APIConsumerMetaclass, AsyncAPIConsumer, ModelConsumer
from rest_channels.decorators import action, detached
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.observer import BaseObserver, ModelObserver, Observer, model_observer
from rest_channels.observer.generics import ObserverAPIConsumerMetaclass
from rest_channels.observer.model_observer import UnsupportedWarning
from rest_channels.testing import SocketCommunicator


class UserSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username"]


def client(consumer):
    return SocketCommunicator(consumer.as_asgi(), dialect="action")


async def answer(socket, name, **frame):
    await socket.send_json({"action": name, "request_id": 1, **frame})
    return await socket.receive_json()


@pytest.mark.parametrize("imported", [APIConsumerMetaclass, ObserverAPIConsumerMetaclass])
def test_a_metaclass_may_be_derived_from_that_of_consumers(imported) -> None:
    class Registering(imported):
        def __new__(mcs, name, bases, body):
            cls = super().__new__(mcs, name, bases, body)
            cls.registered = dict(cls.available_actions)
            return cls

    class Desk(AsyncAPIConsumer, metaclass=Registering):
        @action()
        async def look(self): ...

    assert Desk.registered == {"look": "look"}
    assert isinstance(Desk, imported)


def test_the_warning_about_savepoints_can_be_imported_and_filtered() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UnsupportedWarning)


def test_a_partition_of_an_observer_is_part_of_its_id() -> None:
    class Desk(AsyncAPIConsumer):
        users = model_observer(User, partition="staff")
        others = model_observer(User)

    assert Desk.users.id.endswith("@staff")
    assert Desk.users.group("*") != Desk.others.group("*")


def test_observers_take_the_arguments_of_dcrf_by_position() -> None:
    async def handler(self, message, **kwargs): ...

    assert BaseObserver(handler, "staff").partition == "staff"
    assert Observer(handler, post_save, {"sender": User}, "staff").partition == "staff"
    observer = ModelObserver(handler, User, "staff", UserSerializer, True)
    assert (observer.partition, observer.serializer_class) == ("staff", UserSerializer)


@pytest.mark.parametrize(
    "arguments",
    [
        (User, "UserSerializer"),
        ("auth.User",),
        (User(),),
        (User, None, "yes"),
        (User, None, False, 5),
    ],
)
def test_a_wrong_argument_of_model_observer_is_an_error_at_once(arguments) -> None:
    with pytest.raises(TypeError):
        model_observer(*arguments)


@pytest.mark.parametrize("name", ["serialize", "group_names_for_signal", "database_event"])
def test_an_overridden_method_of_an_observer_that_is_never_called_is_an_error(name) -> None:
    with pytest.raises(TypeError, match=f"Own.{name} is never called: decorate"):
        type("Own", (ModelObserver,), {name: lambda self: None})


def test_detached_tasks_is_no_dict_and_says_so() -> None:
    with pytest.raises(TypeError, match="docs/migrating"):
        AsyncAPIConsumer().detached_tasks["count"]
    assert AsyncAPIConsumer().detached_tasks == []


def test_a_completion_hook_with_a_name_of_a_function_is_refused() -> None:
    with pytest.raises(TypeError, match="docs/migrating"):

        class Desk(AsyncAPIConsumer):
            async def handle_detached_task_completion(self, function_name, task): ...


async def test_a_completion_hook_receives_the_tasks_of_helpers_too() -> None:
    ended = asyncio.Event()

    class Desk(AsyncAPIConsumer):
        @action()
        async def start(self):
            await self.helper()
            return None, 200

        @detached
        async def helper(self): ...

        async def handle_detached_task_completion(self, task):
            ended.set()

    async with client(Desk) as socket:
        assert (await answer(socket, "start"))["response_status"] == 200
        await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.django_db(transaction=True)
async def test_a_message_has_data_where_its_serializer_function_returned_a_serializer() -> None:
    class Desk(GenericAsyncAPIConsumer):
        queryset = User.objects.all()

        @model_observer(User)
        async def users(self, message, action, **kwargs):
            await self.send_json([message.data["username"], message["username"]])

        @users.serializer
        def users(self, instance, action, **kwargs):
            return UserSerializer(instance)

        @action()
        async def watch(self, request_id, **kwargs):
            await self.users.subscribe(request_id=request_id)
            return None, 201

    async with client(Desk) as socket:
        assert (await answer(socket, "watch"))["response_status"] == 201
        await User.objects.acreate(username="ada")
        assert await socket.receive_json() == ["ada", "ada"]


@pytest.mark.django_db(transaction=True)
async def test_the_arguments_of_an_action_may_be_the_first_of_get_serializer() -> None:
    class Desk(ModelConsumer):
        queryset = User.objects.all()
        serializer_class = UserSerializer

        def get_serializer(self, action_kwargs=None, *args, **kwargs):
            return super().get_serializer(action_kwargs, *args, **kwargs)

        @action()
        def rename(self, pk, data, **kwargs):
            serializer = self.get_serializer(kwargs, instance=self.get_object(pk=pk), data=data)
            serializer.is_valid(raise_exception=True)
            serializer.save()
            return serializer.data, 200

    async with client(Desk) as socket:
        row = (await answer(socket, "create", data={"username": "ada"}))["data"]
        renamed = await answer(socket, "rename", pk=row["id"], data={"username": "eve"})
        assert renamed["data"] == {**row, "username": "eve"}
        assert (await answer(socket, "retrieve", pk=row["id"]))["data"] == renamed["data"]


@pytest.mark.django_db(transaction=True)
async def test_several_saves_of_a_transaction_send_one_update_with_the_last_values() -> None:
    class Desk(ModelConsumer):
        queryset = User.objects.all()
        serializer_class = UserSerializer

    def save_three_times():
        with transaction.atomic():
            for name in ("one", "two", "three"):
                ada.username = name
                ada.save()

    ada = await User.objects.acreate(username="ada")
    async with client(Desk) as socket:
        assert (await answer(socket, "subscribe_instance", pk=ada.pk))["response_status"] == 201
        await run(save_three_times)
        change = await socket.receive_json()
        assert (change["action"], change["data"]["username"]) == ("update", "three")
        await socket.expect_nothing()
