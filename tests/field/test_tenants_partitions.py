"""Tenants, as one schema or one database for each: no message and no row leaves its partition."""

import pytest
from channels.layers import get_channel_layer
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.test import override_settings
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer, SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.observer import ObserverModelInstanceMixin, model_observer, observer
from rest_channels.partitions import Partition, group_name
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.docs import tenancy
from tests.field.tenants import NAMES, Following, Tenants, clients, in_tenant, subscribe, tenant
from tests.observer.models import Country

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

changed = Signal()


@pytest.fixture(autouse=True)
def partition(settings):
    settings.REST_CHANNELS = {"PARTITION": "tests.field.tenants.Tenants"}


@pytest.fixture
def databases(settings):
    """One SQLite database for each tenant."""
    settings.DATABASE_ROUTERS = ["tests.field.tenants.DatabaseRouter"]


class CountrySerializer(serializers.ModelSerializer):
    class Meta:
        model = Country
        fields = ["code", "name"]


class Countries(Following, ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = Country.objects.all()
    serializer_class = CountrySerializer
    every = model_observer(Country, serializer_class=CountrySerializer)


# One database for each tenant.


@pytest.mark.parametrize("name", ["follow", "subscribe_instance"])
async def test_a_subscriber_receives_only_rows_of_its_own_database(databases, name) -> None:
    for each in NAMES:
        with in_tenant(each):
            await Country.objects.acreate(code="de", name=f"of {each}")
    async with clients(Countries) as (ada, bob):
        await subscribe(name, ada, bob, pk="de")
        with in_tenant("bob"):
            await (await Country.objects.aget(code="de")).asave()
        assert (await bob.receive_json())["data"] == {"code": "de", "name": "of bob"}
        await ada.expect_nothing()


# Groups and signals.


class Room(SocketView):
    async def connect(self, request):
        self.join("room")

    async def receive(self, request):
        await self.broadcast("room", tenant.get())


class Chat(SocketConsumer):
    groups = ["room"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("room", {"type": "note", "text": tenant.get()})

    async def note(self, event):
        await self.send_json(event["text"])

    async def gap(self, groups):
        await self.send_json({"gap": list(groups)})


@pytest.mark.parametrize("application", [Room, Chat])
async def test_a_message_to_a_group_stays_inside_its_partition(application) -> None:
    async with clients(application) as (ada, bob):
        await bob.send_json({})
        await bob.expect_event("bob")
        with in_tenant("ada"):
            await Group("room").asend({"text": '"from elsewhere"'})
        await ada.expect_event("from elsewhere")
        await bob.expect_nothing()


async def test_plain_channels_code_sends_to_the_group_of_one_partition() -> None:
    async with clients(Chat) as (ada, bob):
        message = {"type": "note", "text": "plain"}
        await get_channel_layer().group_send(group_name("room", "ada"), message)
        await ada.expect_event("plain")
        await bob.expect_nothing()


async def test_a_gap_names_the_groups_as_the_connection_does() -> None:
    async with clients(Chat) as (ada, bob):
        current_hub().messages_lost([group_name("room", "ada")])
        await ada.expect_event({"gap": ["room"]})
        await bob.expect_nothing()


async def test_a_signal_is_published_in_the_partition_of_its_sender() -> None:
    class Signals(Following, GenericAsyncAPIConsumer):
        @observer(changed)
        async def every(self, message, **kwargs):
            await self.send_json({"event": message})

    async with clients(Signals) as (ada, bob):
        await subscribe("follow", ada, bob)
        with in_tenant("ada"):
            changed.send(None)
        await ada.expect_event({"event": {}})
        await bob.expect_nothing()


async def test_an_action_is_answered_before_its_own_message_in_a_partition() -> None:
    class Asking(Chat):
        async def receive_json(self, content):
            await super().receive_json(content)
            await self.send_json("answer")

    async with clients(Asking) as (ada, _bob):
        await ada.send_json({})
        assert [await ada.receive_json() for _ in range(2)] == ["answer", "ada"]


async def test_the_documented_class_keeps_the_tenants_of_two_hosts_apart(settings) -> None:
    settings.REST_CHANNELS = {"PARTITION": "tests.docs.tenancy.Tenants"}

    class Host(SocketView):
        async def connect(self, request):
            self.join("room")

        async def receive(self, request):
            await self.broadcast("room", tenancy.tenant.get())

    application = tenancy.tenant_middleware(Host.as_asgi())
    ada, bob = (
        SocketCommunicator(application, headers=[("host", f"{name}.example.org")]) for name in NAMES
    )
    async with ada, bob:
        await ada.send_json({})
        await ada.expect_event("ada")
        await bob.expect_nothing()


async def test_the_documented_middleware_passes_the_servers_lifespan_on() -> None:
    served = []

    async def application(scope, receive, send):
        served.append(scope["type"])

    await tenancy.tenant_middleware(application)({"type": "lifespan"}, None, None)
    assert served == ["lifespan"]


# The setting.


@pytest.mark.parametrize("value", [7, "tests.field.tenants.in_tenant", "tests.field.tenants", dict])
def test_a_wrong_partition_is_refused(value) -> None:
    wrong = override_settings(REST_CHANNELS={"PARTITION": value})
    with wrong, pytest.raises((ImproperlyConfigured, ImportError)):
        _ = api_settings.PARTITION


@pytest.mark.parametrize("value", [None, 7, "x" * 256])
async def test_a_partition_that_is_no_name_refuses_the_connection(value) -> None:
    class Wrong(Tenants):
        def of_connection(self, scope):
            return value

    wrong = override_settings(REST_CHANNELS={"PARTITION": Wrong})
    with wrong, pytest.raises(TypeError, match="of_connection returned"):
        await SocketCommunicator(Room.as_asgi()).connect()


def test_a_partition_without_methods_says_which_one_is_missing() -> None:
    with pytest.raises(NotImplementedError):
        Partition().of_connection({})
    with pytest.raises(NotImplementedError):
        Partition().of_message()
