"""Messages that are kept in the database, with the transaction that sends them."""

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from rest_channels.groups import Group
from rest_channels.history import History
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture(autouse=True)
def in_database(settings):
    settings.REST_CHANNELS = {"HISTORY": "database", "HISTORIES": {"ledger": History(10)}}


class Ledger(SocketView):
    def connect(self, request):
        self.join("ledger")

    def receive(self, request):
        with transaction.atomic():
            self.broadcast("ledger", {"first": request.data})
            self.broadcast("ledger", {"second": request.data})
            transaction.set_rollback(request.data == "refused")


async def test_messages_are_sent_in_order_after_the_commit():
    async with SocketCommunicator(Ledger.as_asgi()) as client:
        await client.send_json("paid")
        await client.expect_event({"first": "paid"})
        await client.expect_event({"second": "paid"})
    kept = await Group("ledger").ahistory()
    assert [data for _offset, data in kept] == [{"first": "paid"}, {"second": "paid"}]


async def test_a_rollback_takes_the_messages_back():
    async with SocketCommunicator(Ledger.as_asgi()) as client:
        await client.send_json("refused")
        await client.expect_nothing()
        await client.send_json("paid")
        await client.expect_event({"first": "paid"})
    assert len(await Group("ledger").ahistory()) == 2


async def test_a_message_of_a_django_view_is_sent_after_its_commit():
    def view():
        with transaction.atomic():
            Group("ledger").send({"text": '{"from": "view"}'})
            seen.append(Group("ledger").history())

    seen = []
    async with SocketCommunicator(Ledger.as_asgi()) as client:
        await sync_to_async(view)()
        await client.expect_event({"from": "view"})
    [[(_offset, data)]] = seen  # in the transaction that has sent it
    assert data == {"from": "view"}


async def test_a_handler_on_the_event_loop_sends_without_a_transaction():
    async with SocketCommunicator(Ledger.as_asgi()) as client:
        await Group("ledger").asend({"text": '{"from": "loop"}'})
        await client.expect_event({"from": "loop"})
