"""Where database connections are made, and which transactions they have."""

import threading

import pytest
from django.db import connection, connections
from django.http import HttpResponse

from rest_channels.consumers import AsyncAPIConsumer, view_as_consumer
from rest_channels.decorators import action
from rest_channels.testing import SocketCommunicator


class Action(AsyncAPIConsumer):
    @action()
    def retrieve(self):
        return str(connection.in_atomic_block), 200


def view(request):
    return HttpResponse(str(connection.in_atomic_block))


@pytest.fixture(params=[Action, view], ids=["action", "view"])
def application(request):
    return Action.as_asgi() if request.param is Action else view_as_consumer(view)


async def retrieve(application):
    async with SocketCommunicator(application, dialect="action") as socket:
        await socket.send_json({"action": "retrieve"})
        return (await socket.receive_json())["data"]


async def test_a_def_makes_no_database_connection_on_the_event_loop(
    application, monkeypatch
) -> None:
    def create(self, alias):
        threads.add(threading.get_ident())
        return usual(self, alias)

    threads: set[int] = set()
    usual = type(connections).create_connection
    monkeypatch.setattr(type(connections), "create_connection", create)
    await retrieve(application)
    assert threading.get_ident() not in threads


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic", [True, False])
async def test_a_def_runs_in_a_transaction_if_the_database_has_atomic_requests(
    application, atomic, monkeypatch
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", atomic)
    assert await retrieve(application) == str(atomic)
