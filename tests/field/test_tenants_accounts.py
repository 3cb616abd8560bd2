"""User 1 of one tenant and user 1 of another are two people. Shared users are one."""

from contextlib import asynccontextmanager

import pytest
from django.contrib.auth import get_user_model
from rest_framework.authentication import TokenAuthentication

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.revocation import arevoke
from rest_channels.testing import SocketCommunicator
from sockets.models import Node, Socket
from sockets.presence import Presence
from sockets.router import SocketRouter
from tests.field.tenants import NAMES, in_tenant, of_tenant, schemas_with
from tests.observer.models import Tag

User = get_user_model()


@pytest.fixture(autouse=True)
def partition(settings):
    settings.REST_CHANNELS = {"PARTITION": "tests.field.tenants.Tenants"}


@pytest.fixture
def users(postgresql, settings):
    """User 1 and token 1 of each tenant, in the schema of the tenant."""
    settings.DATABASE_ROUTERS = ["tests.field.tenants.AccountRouter"]
    with schemas_with(postgresql, User, Tag):
        found = {}
        for name in NAMES:
            with in_tenant(name):
                found[name] = User.objects.create_user(name, pk=1)
                Tag.objects.create(pk=1, name=name)
        yield found
        Node.objects.all().delete()


class Named(SocketConsumer):
    async def receive_json(self, content):
        self.send_json(self.scope["user"].first_name)


@asynccontextmanager
async def both(users, application=Named, **kwargs):
    """One connection of user 1 of each tenant."""
    ada, bob = (
        SocketCommunicator(of_tenant(application.as_asgi(), name), user=users[name], **kwargs)
        for name in NAMES
    )
    async with ada, bob:
        yield ada, bob


async def change(users, name, **columns):
    with in_tenant(name):
        user = await User.objects.aget(pk=1)
        for column, value in columns.items():
            setattr(user, column, value)
        await user.asave()


@pytest.mark.parametrize(
    ("columns", "code"), [({"is_active": False}, 4442), ({"password": "other"}, 4441)]
)
async def test_a_saved_user_ends_only_connections_of_its_own_schema(users, columns, code) -> None:
    async with both(users) as (ada, bob):
        await change(users, "ada", **columns)
        await ada.expect_close(code)
        await check_accounts(current_hub())
        await bob.expect_nothing()


async def test_a_deleted_user_ends_only_connections_of_its_own_schema(users) -> None:
    async with both(users) as (ada, bob):
        with in_tenant("bob"):
            await (await User.objects.aget(pk=1)).adelete()
        await bob.expect_close(4442)
        await check_accounts(current_hub())
        await ada.expect_nothing()


async def test_columns_of_a_user_change_only_in_its_own_schema(users) -> None:
    async with both(users) as (ada, bob):
        await change(users, "ada", first_name="Ada")
        for socket, name in ((ada, "Ada"), (bob, "")):
            await socket.send_json(None)
            await socket.expect_event(name)


async def test_a_heartbeat_reads_each_user_in_its_own_schema(users) -> None:
    async with both(users) as (ada, bob):
        with in_tenant("bob"):
            await User.objects.aupdate(first_name="Bob")
        await check_accounts(current_hub())
        for socket, name in ((ada, ""), (bob, "Bob")):
            await socket.send_json(None)
            await socket.expect_event(name)


async def test_a_revocation_ends_only_connections_of_the_running_partition(users) -> None:
    async with both(users) as (ada, bob):
        with in_tenant("ada"):
            await arevoke(user=1)
        await ada.expect_close(4443)
        await bob.expect_nothing()


async def test_a_revocation_of_every_partition_ends_connections_in_all_of_them(users) -> None:
    async with both(users) as (ada, bob):
        await arevoke(user=1, every_partition=True)
        await ada.expect_close(4443)
        await bob.expect_close(4443)


async def test_the_limit_of_sockets_counts_users_of_each_schema_apart(users, settings) -> None:
    settings.REST_CHANNELS = {**settings.REST_CHANNELS, "MAX_SOCKETS_PER_USER": 1}
    async with both(users) as (ada, bob):
        await ada.expect_nothing()
        await bob.expect_nothing()


async def test_a_deleted_user_leaves_the_rows_of_sockets_of_other_schemas(users) -> None:
    async with both(users, SocketRouter(), dialect="type") as (ada, _bob):
        with in_tenant("ada"):
            await (await User.objects.aget(pk=1)).adelete()
        await ada.expect_close(4442)
        assert await Socket.every_partition.filter(partition="bob").acount() == 1


async def test_rows_of_sockets_are_restored_for_users_of_each_schema(users) -> None:
    async with both(users, SocketRouter(), dialect="type"):
        await Socket.every_partition.all().adelete()
        await current_hub().get_component(Presence).heartbeat()
        assert await Socket.every_partition.acount() == 2


class TagToken(TokenAuthentication):
    """Tokens are rows of `Tag`, whose name is the key."""

    def authenticate_credentials(self, key):
        return User.objects.get(), Tag.objects.get(name=key)


class Guarded(AsyncAPIConsumer):
    authentication_classes = [TagToken]


async def test_a_deleted_token_ends_only_connections_of_its_own_schema(users) -> None:
    ada, bob = (
        SocketCommunicator(
            of_tenant(Guarded.as_asgi(), name), headers=[("authorization", f"Token {name}")]
        )
        for name in NAMES
    )
    async with ada, bob:
        with in_tenant("ada"):
            await (await Tag.objects.aget(pk=1)).adelete()
        await ada.expect_close(4401)
        await check_accounts(current_hub())
        await bob.expect_nothing()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
async def test_a_deleted_user_leaves_the_rows_of_sockets_of_other_databases(settings) -> None:
    settings.DATABASE_ROUTERS = ["tests.field.tenants.UserDatabaseRouter"]
    users = {}
    for name in NAMES:
        with in_tenant(name):
            users[name] = await User.objects.acreate_user(name, pk=1)
    async with both(users, SocketRouter(), dialect="type") as (_ada, bob):
        with in_tenant("bob"):
            await (await User.objects.aget(pk=1)).adelete()
        await bob.expect_close(4442)
        assert await Socket.every_partition.filter(partition="ada").acount() == 1


@pytest.mark.django_db(transaction=True)
async def test_users_that_all_tenants_share_end_in_all_of_them() -> None:
    user = await User.objects.acreate_user("carol")
    async with both(dict.fromkeys(NAMES, user)) as (ada, bob):
        user.is_active = False
        with in_tenant("ada"):
            await user.asave()
        await ada.expect_close(4442)
        await bob.expect_close(4442)
