"""Clients of two server processes have lists that equal the queryset, which a shell writes."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from django.urls import path

from rest_channels.live.diff import apply
from tests.brokers import LAYERS
from tests.observer.consumers import GroupLists

from .cluster import Cluster

urlpatterns = [path("lists/", GroupLists.as_asgi())]


@pytest.fixture(scope="module", params=LAYERS, ids=["core", "pubsub"])
def running(request, site_environ, tmp_path_factory):
    cluster = Cluster(request.param, site_environ, tmp_path_factory.mktemp("cluster"), __name__)
    cluster.shell("from django.contrib.auth.models import Group\nfrom django.db import transaction")
    yield cluster
    cluster.stop()


async def run(cluster, code: str):
    return await asyncio.to_thread(cluster.shell, code)


class Reader:
    """A client with its list of names."""

    def __init__(self, socket) -> None:
        self.socket, self.names, self.order = socket, {}, []

    async def subscribe(self) -> None:
        await self.socket.send_json({"action": "subscribe_list", "request_id": 1})
        reply = await self.socket.receive_json()
        assert reply["response_status"] == 201
        self.names = {row["id"]: row["name"] for row in reply["data"]["rows"]}
        self.order = [*self.names]

    async def until(self, *names: str) -> None:
        """Apply frames until the list has these names."""
        while [self.names[key] for key in self.order] != [*names]:
            data = (await self.socket.receive_json())["data"]
            rows = [row for *_after, row, _tag in (*data["enter"], *data["change"])]
            self.names |= {row["id"]: row["name"] for row in rows}
            enter = [(after, row["id"]) for after, row, _tag in data["enter"]]
            self.order = apply(self.order, data["leave"], enter, data["move"])


async def test_lists_of_both_servers_follow_what_a_shell_writes(running) -> None:
    await run(running, "Group.objects.all().delete()")
    await run(running, "Group.objects.create(name='b')")
    async with AsyncExitStack() as stack:
        readers = [
            Reader(await stack.enter_async_context(site.connect("lists/")))
            for site in (running.one, running.two)
        ]
        for reader in readers:
            await reader.subscribe()
        loop = "  for n in range(300): Group.objects.create(name=f'c{n:03}')"
        await run(running, "group = Group.objects.create(name='a')")
        for reader in readers:
            await reader.until("a", "b")
        await run(running, "group.name = 'd'; group.save()")
        for reader in readers:
            await reader.until("b", "d")
        await run(running, f"with transaction.atomic():\n{loop}")
        for reader in readers:
            await reader.until("b", *(f"c{n:03}" for n in range(300)), "d")
        await run(running, "Group.objects.filter(name__startswith='c').delete()")
        for reader in readers:
            await reader.until("b", "d")
