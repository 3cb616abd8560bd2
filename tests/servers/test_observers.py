"""Subscribers of two server processes receive the changes that a shell makes."""

import asyncio
import contextlib
from contextlib import AsyncExitStack

import pytest
from django.urls import path

from tests.brokers import LAYERS
from tests.observer.consumers import Groups

from .cluster import Cluster

urlpatterns = [path("groups/", Groups.as_asgi())]


@pytest.fixture(scope="module", params=LAYERS, ids=["core", "pubsub"])
def running(request, site_environ, tmp_path_factory):
    cluster = Cluster(request.param, site_environ, tmp_path_factory.mktemp("cluster"), __name__)
    cluster.shell("from django.contrib.auth.models import Group, User\nimport time")
    cluster.shell("from django.db import transaction")
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running):
    """All of it, without a row."""
    running.shell("Group.objects.all().delete()")
    return running


@pytest.fixture
async def readers(cluster):
    """A client of each server."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(site.connect("groups/"))
            for site in (cluster.one, cluster.two)
        ]


async def run(cluster, code: str):
    return await asyncio.to_thread(cluster.shell, code)


async def request(client, action, **frame) -> int:
    """Send a request and return the status of its answer."""
    await client.send_json({"action": action, "request_id": 1, **frame})
    return (await client.receive_json())["response_status"]


async def next_change(client):
    """Return the action and data of the next frame that is not a gap."""
    frame = await client.receive_json()
    while "gap" in frame:
        frame = await client.receive_json()
    return frame["action"], frame["data"]


async def test_subscribers_of_both_servers_receive_the_changes_of_a_row(cluster, readers) -> None:
    pk = await run(cluster, "group = Group.objects.create(name='a'); result = group.pk")
    for reader in readers:
        assert await request(reader, "subscribe_instance", pk=pk) == 201
    await run(cluster, "group.name = 'b'; group.save()")
    for reader in readers:
        assert await next_change(reader) == ("update", {"id": pk, "name": "b"})
    await run(cluster, "group.delete()")
    for reader in readers:
        assert await next_change(reader) == ("delete", {"pk": pk})


async def test_subscribers_of_both_servers_receive_many_changes_in_order(cluster, readers) -> None:
    for reader in readers:
        assert await request(reader, "subscribe", letter="x") == 201
    await run(cluster, "for n in range(300): Group.objects.create(name=f'x{n}')")
    loop = "  for n in range(300, 600): Group.objects.create(name=f'x{n}')"
    await run(cluster, f"with transaction.atomic():\n{loop}")
    for reader in readers:
        assert [(await next_change(reader))[1]["name"] for _ in range(600)] == [
            f"x{n}" for n in range(600)
        ]


async def test_a_row_that_moves_between_groups_is_deleted_from_one_and_created_in_the_other(
    cluster, readers
) -> None:
    await run(cluster, "group = Group.objects.create(name='y')")
    for reader, letter in zip(readers, "yz", strict=True):
        assert await request(reader, "subscribe", letter=letter) == 201
    await run(cluster, "group.name = 'z'; group.save()")
    assert [(await next_change(reader))[0] for reader in readers] == ["delete", "create"]


async def test_an_outage_fails_no_save_and_subscribers_receive_a_gap(cluster, readers) -> None:
    for reader in readers:
        assert await request(reader, "subscribe", letter="w") == 201
    cluster.broker.stop()
    hook = "transaction.on_commit(lambda: seen.append(1))"
    await run(cluster, "seen = []; began = time.monotonic()")
    await run(cluster, f"with transaction.atomic():\n  Group.objects.create(name='w1'); {hook}")
    seconds, seen = await run(cluster, "result = [time.monotonic() - began, seen]")
    assert (seconds < 5, seen) == (True, [1])
    cluster.broker.start()
    for reader in readers:
        assert await reader.receive_json() == {"gap": True}
    assert await save_until_received(cluster, readers[0]) == "create"
    assert (await next_change(readers[1]))[0] == "create"


async def save_until_received(cluster, reader) -> str:
    """Save rows until the reader receives one. The shell loses those before its link is back."""
    for number in range(20):
        await run(cluster, f"Group.objects.create(name='w again {number}')")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                return (await next_change(reader))[0]
    raise AssertionError("No change arrives after the outage.")
