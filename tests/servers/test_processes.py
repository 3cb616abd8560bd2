"""Two server processes and a shell that share a broker work like one for their clients."""

import asyncio
import contextlib
import re
import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from rest_channels.cluster.streams import REPORT_UNTIL
from tests.brokers import LAYERS

from .cluster import Cluster, Shell

pytestmark = pytest.mark.quiet  # outages and revocations end within seconds

MANY = [f"group-{number}" for number in range(2000)]


@pytest.fixture(scope="module", params=LAYERS, ids=["core", "pubsub"])
def running(request, site_environ, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(request.param, site_environ, folder, "tests.servers.processes")
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running):
    """The two servers. After the test their logs must not contain errors.

    channels_redis logs tracebacks when its broker goes down. None may lead through the library,
    except through the application that calls plain consumers of Channels.
    """
    running.one.log(), running.two.log()
    yield running
    for log in (running.one.log(), running.two.log()):
        assert not any(text in log for text in ("was destroyed", "never retrieved", "too long"))
        rest = log.replace("/rest_channels/routing/application.py", "")
        assert "/rest_channels/" not in rest, rest[-20_000:]


@pytest.fixture
async def rooms(cluster):
    """`await rooms("one", "chess")` returns a client of server one in the room `chess`."""
    async with AsyncExitStack() as stack:

        async def enter(server: str, name: str, kind: str = "room"):
            site = getattr(cluster, server)
            return await stack.enter_async_context(site.connect(f"{kind}/{name}/"))

        yield enter


async def request(client, name, data=None):
    """Send a request and return the next frame."""
    await client.send_json({name: data})
    return await client.receive_json()


async def frames_until(client, last) -> list:
    """Return the frames that `client` receives, up to and including `last`."""
    frames = []
    while not frames or frames[-1] != last:
        frames.append(await client.receive_json())
    return frames


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


async def wait_for_shared_layer(server) -> None:
    """Wait until the shared layer of the site has recovered from an earlier test's outage."""
    async with asyncio.timeout(15):
        for kind in ("library", "plain"):
            received = False
            while not received:
                async with server.connect(f"{kind}/") as probe:
                    await probe.send_json("ping")
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(probe.recv(), 1)
                        received = True


async def test_plain_and_library_consumers_receive_each_group_message_once(cluster) -> None:
    await wait_for_shared_layer(cluster.one)
    await wait_for_shared_layer(cluster.two)
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
    await wait_for_shared_layer(cluster.one)
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


# Revocation: at once if Django signals the end, otherwise at the next heartbeat (here after 1 s).

USER = "User.objects.filter(username='bob')"
ENDS = [
    ("browser.logout()", 4440),
    ("browser.session.delete()", 4440),
    ("browser.session.flush()", 4440),
    ("bob.set_password('new'); bob.save()", 4441),
    ("bob.is_active = False; bob.save()", 4442),
    ("bob.delete()", 4442),
    ("revoke(user=bob)", 4443),
    ("revoke(session_key=key)", 4443),
]
ENDS_WITHOUT_SIGNAL = [
    ("Session.objects.filter(pk=key).update(expire_date='2000-01-01 00:00Z')", 4440),
    (f"{USER}.update(password='x')", 4441),
    (f"{USER}.update(is_active=False)", 4442),
]
LOG_IN = (
    "from django.contrib.auth.models import User\n"
    "from django.contrib.sessions.models import Session\n"
    "from django.test import Client\n"
    "from rest_channels.revocation import revoke\n"
    "User.objects.filter(username='bob').delete()\n"
    "bob = User.objects.create_user('bob')\n"
    "browser = Client()\n"
    "browser.force_login(bob)\n"
    "result = key = browser.session.session_key"
)


@pytest.mark.parametrize(("code_to_run", "code"), ENDS)
async def test_the_end_of_a_session_or_user_closes_the_sockets_of_every_process(
    cluster, rooms, code_to_run, code
) -> None:
    await ends_in_every_process(cluster, rooms, code_to_run, code)


@pytest.mark.parametrize(("code_to_run", "code"), ENDS_WITHOUT_SIGNAL)
@pytest.mark.parametrize("running", LAYERS[:1], ids=["core"], indirect=True, scope="module")
async def test_each_process_finds_an_end_without_a_signal_in_the_database(
    cluster, rooms, code_to_run, code
) -> None:
    await ends_in_every_process(cluster, rooms, code_to_run, code)


async def ends_in_every_process(cluster, rooms, code_to_run, code) -> None:
    other = await rooms("one", "staying")
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(cluster.shell, LOG_IN)}"}
    async with (
        cluster.one.connect("room/bob/", additional_headers=headers) as first,
        cluster.two.connect("room/bob/", additional_headers=headers) as second,
    ):
        began = time.monotonic()
        await asyncio.to_thread(cluster.shell, code_to_run)
        assert {(await client.receive_close())[0] for client in (first, second)} == {code}
        assert time.monotonic() - began < 2.5
    assert await request(other, "broadcast", "still here") in ("broadcast", "still here")


async def test_a_user_deactivated_during_a_broker_outage_is_disconnected(cluster) -> None:
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(cluster.shell, LOG_IN)}"}
    async with cluster.two.connect("room/bob/", additional_headers=headers) as client:
        with cluster.broker.paused():
            await asyncio.to_thread(cluster.shell, "bob.is_active = False; bob.save()")
            assert (await client.receive_close())[0] == 4442


# Outages. No socket closes, local messages still arrive, and the rest works again. The benchmark
# `outage` bounds the time that this takes.


@pytest.mark.parametrize("outage", ["restart", "flush", "pause"])
async def test_an_outage_of_the_broker_closes_no_socket(cluster, rooms, outage) -> None:
    ada, local = [await rooms("one", "outage", "quiet") for _ in range(2)]
    graces = [await rooms("two", "outage") for _ in range(20)]
    for number, grace in enumerate(graces):
        groups = MANY[number * 100 : (number + 1) * 100]
        assert await request(grace, "join", groups) == "joined"

    async def send(text) -> None:
        await ada.send_json({"broadcast": text})
        assert await local.receive_json() == text
        assert {await ada.receive_json(), await ada.receive_json()} == {text, "broadcast"}

    async def outlast(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await send("ping")
            await asyncio.sleep(0.05)  # a client that sends more is closed for flooding

    if outage == "restart":
        cluster.broker.kill()
        await outlast(2)
        await asyncio.to_thread(cluster.broker.start)
    elif outage == "pause":
        with cluster.broker.paused():
            await outlast(REPORT_UNTIL + 1)
    else:
        cluster.broker.flush()

    await asyncio.wait_for(repeat_until_received(lambda: send("back"), graces[0], "back"), 15)
    sender = await rooms("one", MANY[-1])
    if outage == "flush":  # nothing tells when the last group is joined again
        send_last = partial(request, sender, "broadcast", "last")
        await asyncio.wait_for(repeat_until_received(send_last, graces[-1], "last"), 3)
        return
    gap = {"gap": sorted([*MANY[1900:], "outage"])}
    await asyncio.wait_for(frames_until(graces[-1], gap), 15)
    await sender.send_json({"broadcast": "last"})
    await asyncio.wait_for(frames_until(graces[-1], "last"), 15)


async def repeat_until_received(send, client, frame) -> None:
    """Call `send` until `client` has received `frame`."""
    received = asyncio.create_task(frames_until(client, frame))
    while not received.done():
        await send()
        await asyncio.wait({received}, timeout=0.05)
