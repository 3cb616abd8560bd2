"""Queries of sockets stay inside the partition of the running code."""

import pytest
from django.core.management import call_command

from sockets.models import Socket
from sockets.router import SocketRouter
from tests.field.tenants import clients, in_tenant

pytestmark = pytest.mark.django_db(transaction=True)

router = SocketRouter()


@router.route("COUNT")
async def count(socket, content):
    number = await Socket.objects.acount()
    socket.send_action("NUMBER", number=number, peers=await socket.peers().acount())


@router.route("ALL")
def everyone(socket, content):
    Socket.objects.all().send_action("MESSAGE")


@pytest.fixture(autouse=True)
def partition(settings):
    settings.REST_CHANNELS = {"PARTITION": "tests.field.tenants.Tenants"}


async def test_a_handler_sees_the_sockets_of_its_own_partition() -> None:
    async with clients(router, dialect="type") as (ada, _bob):
        await ada.send_json({"type": "COUNT"})
        await ada.expect_event(type="NUMBER", number=1, peers=0)


async def test_a_handler_sends_to_the_sockets_of_its_own_partition() -> None:
    async with clients(router, dialect="type") as (ada, bob):
        await ada.send_json({"type": "ALL"})
        await ada.expect_event(type="MESSAGE")
        await bob.expect_nothing()


async def test_other_code_sees_the_sockets_of_the_partition_in_which_it_runs() -> None:
    async with clients(router, dialect="type") as (ada, bob):
        with in_tenant("bob"):
            assert await Socket.objects.all().asend_action("MESSAGE") == 1
        await bob.expect_event(type="MESSAGE")
        await ada.expect_nothing()
        assert await Socket.objects.acount() == 0
        assert await Socket.every_partition.acount() == 2


async def test_the_rows_of_all_partitions_are_deleted_with_their_connections(capsys) -> None:
    async with clients(router, dialect="type"):
        pass
    assert await Socket.every_partition.acount() == 0


def test_the_commands_of_the_whole_site_see_every_partition(capsys) -> None:
    Socket.every_partition.create(channel_name="a", path="/", partition="ada")
    call_command("list_sockets", "--all")
    assert "/" in capsys.readouterr().out
