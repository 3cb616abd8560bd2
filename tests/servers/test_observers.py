"""A row changes in a shell: the sockets of two server processes are told."""

import asyncio
import contextlib
from contextlib import AsyncExitStack

import pytest
from django.urls import path

from tests.brokers import LAYERS
from tests.observers.consumers import Groups

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


async def asked(client, action, **frame) -> int:
    await client.say({"action": action, "request_id": 1, **frame})
    return (await client.hear())["response_status"]


async def told(client):
    frame = await client.hear()
    while "gap" in frame:
        frame = await client.hear()
    return frame["action"], frame["data"]


async def test_a_row_is_told_to_both_servers(cluster, readers) -> None:
    pk = await run(cluster, "one = Group.objects.create(name='a'); result = one.pk")
    for reader in readers:
        assert await asked(reader, "subscribe_instance", pk=pk) == 201
    await run(cluster, "one.name = 'b'; one.save()")
    for reader in readers:
        assert await told(reader) == ("update", {"id": pk, "name": "b"})
    await run(cluster, "one.delete()")
    for reader in readers:
        assert await told(reader) == ("delete", {"pk": pk})


async def test_many_rows_are_told_in_order(cluster, readers) -> None:
    for reader in readers:
        assert await asked(reader, "subscribe", letter="x") == 201
    await run(cluster, "for n in range(300): Group.objects.create(name=f'x{n}')")
    some = "  for n in range(300, 600): Group.objects.create(name=f'x{n}')"
    await run(cluster, f"with transaction.atomic():\n{some}")
    for reader in readers:
        assert [(await told(reader))[1]["name"] for _ in range(600)] == [
            f"x{n}" for n in range(600)
        ]


async def test_a_row_moves_between_groups(cluster, readers) -> None:
    await run(cluster, "one = Group.objects.create(name='y')")
    for reader, letter in zip(readers, "yz", strict=True):
        assert await asked(reader, "subscribe", letter=letter) == 201
    await run(cluster, "one.name = 'z'; one.save()")
    assert [(await told(reader))[0] for reader in readers] == ["delete", "create"]


async def test_an_outage_fails_no_save_and_is_told_as_a_gap(cluster, readers) -> None:
    for reader in readers:
        assert await asked(reader, "subscribe", letter="w") == 201
    cluster.broker.stop()
    hooks = "transaction.on_commit(lambda: seen.append(1))"
    await run(cluster, "seen = []; began = time.monotonic()")
    await run(cluster, f"with transaction.atomic():\n  Group.objects.create(name='w1'); {hooks}")
    taken, hooked = await run(cluster, "result = [time.monotonic() - began, seen]")
    assert (taken < 5, hooked) == (True, [1])
    cluster.broker.start()
    for reader in readers:
        assert await reader.hear() == {"gap": True}
    assert await saved_until_heard(cluster, readers[0]) == "create"
    assert (await told(readers[1]))[0] == "create"


async def saved_until_heard(cluster, reader) -> str:
    """Once the shell's own line is back it is heard; what it says before is lost, and counted."""
    for number in range(20):
        await run(cluster, f"Group.objects.create(name='w again {number}')")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                return (await told(reader))[0]
    raise AssertionError("Nothing is heard any more.")
