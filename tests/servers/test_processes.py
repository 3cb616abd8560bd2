"""Two server processes and a shell that share a broker work like one for their clients."""

import asyncio
import re
from contextlib import AsyncExitStack

import pytest

from .cluster import Shell, frames_until, request


async def test_clients_of_both_servers_receive_group_messages_in_order(rooms) -> None:
    ada, grace = await rooms("one", "order"), await rooms("two", "order")
    local = await rooms("one", "order")
    for number in range(200):
        await ada.send_json({"broadcast": number})
    for client in (ada, grace, local):
        frames = await frames_until(client, 199)
        assert [frame for frame in frames if frame != "broadcast"] == list(range(200))


async def test_a_client_receives_group_messages_as_soon_as_its_join_is_answered(rooms) -> None:
    ada, grace = await rooms("one", "a"), await rooms("two", "b")
    for number in range(30):
        assert await request(grace, "join", [f"new-{number}"]) == "joined"
        sender = await rooms("one", f"new-{number}")
        await sender.send_json({"broadcast": number})
        assert await grace.receive_json() == number
    assert await request(ada, "address")


async def test_a_connection_of_another_process_can_be_added_to_a_group(rooms) -> None:
    ada, grace = await rooms("one", "a"), await rooms("two", "b")
    address = await request(grace, "address")
    for number in range(20):
        assert await request(ada, "add", [f"club-{number}", address]) == "added"
        assert await grace.receive_json() == f"welcome to club-{number}"


async def test_a_connection_of_another_process_receives_messages_by_its_address(rooms) -> None:
    ada, grace = await rooms("one", "a"), await rooms("two", "b")
    await request(ada, "send", [await request(grace, "address"), "psst"])
    assert await grace.receive_json() == "psst"
    assert await request(ada, "send", ["0000000000-1.1", "lost"]) == "sent"
    assert await request(ada, "send", ["no address", "lost"]) == "sent"


async def test_a_process_without_sockets_reaches_the_clients_of_both_servers(
    cluster, rooms
) -> None:
    clients = [await rooms("one", "shell"), await rooms("two", "shell")]
    address = await request(clients[0], "address")
    cluster.shell("from rest_channels.groups import Channel, Group")
    cluster.shell("""Group("shell").send({"text": '"hello"'})""")
    assert [await client.receive_json() for client in clients] == ["hello", "hello"]
    cluster.shell(f"""Group("aside").add("{address}"); Group("aside").send({{"text": "1"}})""")
    assert await clients[0].receive_json() == 1
    cluster.shell(f"""Channel("{address}").send({{"text": "2", "close": 4000}})""")
    assert await clients[0].receive_json() == 2
    assert await clients[0].receive_close() == (4000, "")


async def test_a_process_that_ends_at_once_has_sent_its_message(cluster, rooms) -> None:
    client = await rooms("two", "brief")
    shell = Shell(cluster.environ)
    shell("from rest_channels.groups import Group")
    shell("import os; begun = os.getpid()")
    shell("""Group("brief").send({"text": '"bye"'})""")
    await asyncio.to_thread(shell.stop)
    assert await client.receive_json() == "bye"


async def test_a_forked_child_can_send_messages(cluster, rooms) -> None:
    client = await rooms("two", "fork")
    shell = Shell(cluster.environ)
    shell("import os, time, warnings; from rest_channels.groups import Group")
    shell("warnings.simplefilter('ignore'); Group('fork').send({'text': '0'})")
    for child in (1, 2):
        shell(
            "if (child := os.fork()) == 0:\n"
            f"    Group('fork').send({{'text': '{child}'}}); os._exit(0)\n"
            "os.waitpid(child, 0)"
        )
    shell("Group('fork').send({'text': '3'})")
    await asyncio.to_thread(shell.stop)
    assert [await client.receive_json() for _ in range(4)] == [0, 1, 2, 3]


async def test_plain_and_library_consumers_receive_each_group_message_once(cluster) -> None:
    async with AsyncExitStack() as stack:
        clients = {}
        for server in ("one", "two"):
            for kind in ("library", "plain"):
                client = getattr(cluster, server).connect(f"{kind}/")
                clients[kind, server] = await stack.enter_async_context(client)
        for number, sender in enumerate(clients.values()):
            await sender.send_json(number)
            for (kind, _server), client in clients.items():
                assert await client.receive_json() == {kind: number}
        cluster.shell("from channels.layers import get_channel_layer")
        cluster.shell("from asgiref.sync import async_to_sync")
        message = {"type": "mixed.line", "text": "shell"}
        cluster.shell(f"async_to_sync(get_channel_layer().group_send)('mixed', {message})")
        for (kind, _server), client in clients.items():
            assert await client.receive_json() == {kind: "shell"}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.recv(), 0.1)


async def test_the_send_method_of_the_layer_reaches_a_channel_name_of_another_process(
    cluster,
) -> None:
    cluster.shell("from channels.layers import get_channel_layer")
    cluster.shell("from asgiref.sync import async_to_sync")
    async with cluster.one.connect("named/") as client:
        message = {"type": "line", "text": "by name"}
        name = await client.receive_json()
        cluster.shell(f"async_to_sync(get_channel_layer().send)('{name}', {message})")
        assert await client.receive_json() == "by name"


async def test_every_message_of_fifty_publishers_is_received_or_counted_as_missed(
    cluster, rooms
) -> None:
    client, other = [await rooms("two", name, "quiet") for name in ("flood", "other")]
    cluster.shell(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from rest_channels.groups import Group\n"
        "Group('flood').send({'text': '0'})\n"
        "def publish(number):\n"
        "    for _ in range(1000): Group('flood').send({'text': '1'})\n"
    )
    assert await client.receive_json() == 0  # later losses are counted at once
    flood = asyncio.create_task(
        asyncio.to_thread(
            cluster.shell,
            "with ThreadPoolExecutor(50) as pool: result = len(list(pool.map(publish, range(50))))",
        )
    )
    for _ in range(10):
        await request(other, "block", 0.3)
    received = 0

    def missing() -> int:  # of this group only: heads may still report losses of other tests
        log = cluster.two.log_file.read_text()
        return sum(map(int, re.findall(r"lost: {.*'flood': (\d+)", log)))

    async with asyncio.timeout(120):
        while not (flood.done() and received + missing() >= 50_000):
            try:
                async with asyncio.timeout(0.2):
                    while True:
                        frame = await client.receive_json()
                        received += frame == 1
            except TimeoutError:
                continue
    print(f"{received} received, {missing()} missed")
    assert (await flood, received + missing()) == (50, 50_000)
    assert received > 0
