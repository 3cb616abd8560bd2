"""A token that was deleted, or that has expired, gives nothing any more."""

import time

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import override_settings
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.serializers import ModelSerializer

from rest_channels import permissions
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import RevocationIndex, check_accounts
from rest_channels.groups import Channel, Group
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class TagSerializer(ModelSerializer):
    class Meta:
        model = Tag
        fields = ["name"]


class RowToken(TokenAuthentication):
    """Tokens are rows of `Tag`, whose name is the key."""

    def authenticate_credentials(self, key):
        return User.objects.get(username="ada"), Tag.objects.get(name=key)


class ShortToken(TokenAuthentication):
    """Tokens are the seconds until they expire."""

    def authenticate_credentials(self, key):
        return User.objects.get(username="ada"), {"exp": time.time() + float(key)}


class Guarded(AsyncAPIConsumer):
    authentication_classes = [RowToken]
    permission_classes = [IsAuthenticated]
    handled = 0

    @action()
    async def act(self):
        type(self).handled += 1
        return {}, 200


@pytest.fixture
def token():
    User.objects.create_user("ada")
    return Tag.objects.create(name="key")


def connect(consumer, token, **kwargs):
    header = ("authorization", f"Token {token}")
    return SocketCommunicator(consumer.as_asgi(), headers=[header], dialect="action", **kwargs)


async def test_a_token_that_is_deleted_closes_its_sockets_at_once(token) -> None:
    handled = Guarded.handled
    async with connect(Guarded, "key") as socket:
        await socket.send_json({"action": "act"})
        await socket.receive_json()
        await token.adelete()
        await socket.send_json({"action": "act"})
        await socket.expect_close(4401)
    assert Guarded.handled == handled + 1


async def test_a_token_that_is_deleted_without_a_signal_closes_within_a_heartbeat(token) -> None:
    with override_settings(REST_CHANNELS={"BEAT": 0.05}):
        async with connect(Guarded, "key") as socket:
            await sync_to_async(Tag.objects.all()._raw_delete)("default")
            await socket.expect_close(4401)


async def test_another_token_that_is_deleted_closes_nothing(token) -> None:
    other = await Tag.objects.acreate(name="other")
    async with connect(Guarded, "key") as socket:
        await other.adelete()
        await check_accounts(current_hub())
        await socket.expect_nothing()
    index = current_hub().get_component(RevocationIndex)
    assert not index.tokens


async def test_a_client_whose_user_and_token_are_deleted_is_closed_with_4442(token) -> None:
    async with connect(Guarded, "key") as socket:
        ada = await User.objects.aget()
        await ada.adelete()
        await socket.expect_close(4442)


async def test_a_token_that_an_authenticate_frame_has_sent_is_watched(token) -> None:
    class Late(Guarded):
        permission_classes = [permissions.IsAuthenticated]

    socket = SocketCommunicator(Late.as_asgi(), dialect="action")
    async with socket:
        await socket.send_json({"action": "authenticate", "token": "key", "scheme": "Token"})
        await socket.receive_json()
        await token.adelete()
        await socket.expect_close(4401)


class Following(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    authentication_classes = [ShortToken]
    permission_classes = [IsAuthenticated]
    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    groups = ["news"]

    tags = model_observer(Tag, TagSerializer)

    @action()
    async def follow(self, request_id, **kwargs):
        await self.tags.subscribe(request_id=request_id)
        return self.channel_name, 200

    @action()
    async def name(self):
        return self._connection.address, 200

    async def news(self, event):
        await self.send_json({"news": event["text"]})


async def follow(socket):
    await socket.send_json({"action": "follow", "request_id": 1})
    await socket.receive_json()
    await socket.send_json({"action": "name"})
    return (await socket.receive_json())["data"]


async def push_everything(address, layer_group="news"):
    await Group(layer_group).asend({"text": '{"group": 1}'})
    await Channel(address).asend({"text": '{"direct": 1}'})
    await Tag.objects.acreate(name="pushed")


async def test_nothing_is_pushed_after_the_token_has_expired(token) -> None:
    with override_settings(REST_CHANNELS={"REAUTHENTICATE_WITHIN": 5}):
        async with connect(Following, "0.3") as socket:
            address = await follow(socket)
            await push_everything(address)
            for _ in range(3):
                await socket.receive_json()
            assert (await socket.receive_json())["response_status"] == 401  # it asks for a token
            await push_everything(address)
            await socket.expect_nothing(0.2)


async def test_a_client_that_sends_a_new_token_receives_later_messages(token, settle) -> None:
    gaps = []

    class WithGaps(Following):
        async def gap(self, groups):
            gaps.append(groups)

    with override_settings(REST_CHANNELS={"REAUTHENTICATE_WITHIN": 5}):
        async with connect(WithGaps, "0.2") as socket:
            address = await follow(socket)
            assert (await socket.receive_json())["response_status"] == 401
            await push_everything(address)
            connection = current_hub().members[address]
            await settle(lambda: len(connection.missed) == 3)
            await socket.send_json({"action": "authenticate", "token": "60"})
            assert (await socket.receive_json())["response_status"] == 200
            await push_everything(address)
            for _ in range(3):
                await socket.receive_json()
            await socket.expect_nothing()
    assert len(gaps) == 1
    assert {"news", address} <= set(gaps[0])
