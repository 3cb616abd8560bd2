"""Two server processes and a shell behind one Valkey: for their clients they are one."""

import asyncio
import contextlib
import re
import time
from contextlib import AsyncExitStack

import pytest

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
    """The two servers; after the test nothing stands in their logs that should not.

    channels_redis logs tracebacks when its broker goes; none of them may lead through our code.
    """
    running.one.log(), running.two.log()
    yield running
    for log in (running.one.log(), running.two.log()):
        assert not any(word in log for word in ("was destroyed", "never retrieved", "too long"))
        assert "/rest_channels/" not in log


@pytest.fixture
async def rooms(cluster):
    """`await rooms("one", "chess")`: a client in a room of server one, `kind` "room" or "quiet"."""
    async with AsyncExitStack() as stack:

        async def enter(server: str, name: str, kind: str = "room"):
            where = getattr(cluster, server)
            return await stack.enter_async_context(where.connect(f"{kind}/{name}/"))

        yield enter


async def asked(client, verb, data=None):
    """The answer to a request; what comes before it is passed over."""
    await client.say({verb: data})
    return await client.hear()


async def heard_until(client, last) -> list:
    """All that `client` hears up to and with `last`."""
    frames = []
    while not frames or frames[-1] != last:
        frames.append(await client.hear())
    return frames


async def test_what_is_said_on_one_server_is_heard_on_the_other_in_order(rooms) -> None:
    ada, grace, near = await rooms("one", "order"), await rooms("two", "order"), None
    near = await rooms("one", "order")
    for number in range(200):
        await ada.say({"say": number})
    for client in (grace, near):
        assert await heard_until(client, 199) == list(range(200))


async def test_who_was_told_that_it_has_joined_is_reached_at_once(rooms) -> None:
    ada, grace = await rooms("one", "a"), await rooms("two", "b")
    for number in range(30):
        assert await asked(grace, "join", [f"new-{number}"]) == "joined"
        speaker = await rooms("one", f"new-{number}")
        await speaker.say({"say": number})
        assert await grace.hear() == number
    assert await asked(ada, "address")


async def test_a_connection_of_another_process_can_be_added_to_a_group(rooms) -> None:
    ada, grace = await rooms("one", "a"), await rooms("two", "b")
    address = await asked(grace, "address")
    for number in range(20):
        assert await asked(ada, "add", [f"club-{number}", address]) == "added"
        assert await grace.hear() == f"welcome to club-{number}"


async def test_a_connection_of_another_process_is_reached_under_its_address(rooms) -> None:
    ada, grace = await rooms("one", "a"), await rooms("two", "b")
    await asked(ada, "tell", [await asked(grace, "address"), "psst"])
    assert await grace.hear() == "psst"
    assert await asked(ada, "tell", ["0000000000-1.1", "nobody"]) == "told"
    assert await asked(ada, "tell", ["no address", "nobody"]) == "told"


async def test_a_process_that_serves_nothing_reaches_all(cluster, rooms) -> None:
    clients = [await rooms("one", "shell"), await rooms("two", "shell")]
    address = await asked(clients[0], "address")
    cluster.shell("from rest_channels.groups import Channel, Group")
    cluster.shell("""Group("shell").send({"text": '"hello"'})""")
    assert [await client.hear() for client in clients] == ["hello", "hello"]
    cluster.shell(f"""Group("aside").add("{address}"); Group("aside").send({{"text": "1"}})""")
    assert await clients[0].hear() == 1
    cluster.shell(f"""Channel("{address}").send({{"text": "2", "close": 4000}})""")
    assert await clients[0].hear() == 2
    assert await clients[0].ended() == (4000, "")


async def test_a_command_that_ends_at_once_has_spoken(cluster, rooms) -> None:
    client = await rooms("two", "brief")
    shell = Shell(cluster.environ)
    shell("from rest_channels.groups import Group")
    shell("import os; begun = os.getpid()")
    shell("""Group("brief").send({"text": '"bye"'})""")
    await asyncio.to_thread(shell.stop)
    assert await client.hear() == "bye"


async def test_a_forked_child_has_a_voice_of_its_own(cluster, rooms) -> None:
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
    assert [await client.hear() for _ in range(4)] == [0, 1, 2, 3]


async def lane_of_channels_works(server) -> None:
    """Wait until the layer that the site's code shares has got over an earlier test's outage."""
    async with asyncio.timeout(15):
        for kind in ("ours", "theirs"):
            heard = False
            while not heard:
                async with server.connect(f"{kind}/") as probe:
                    await probe.say("anybody there?")
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(probe.recv(), 1)
                        heard = True


async def test_plain_consumers_and_ours_in_one_group_hear_each_other_once(cluster) -> None:
    await lane_of_channels_works(cluster.one)
    await lane_of_channels_works(cluster.two)
    async with AsyncExitStack() as stack:
        clients = {}
        for server in ("one", "two"):
            for kind in ("ours", "theirs"):
                client = getattr(cluster, server).connect(f"{kind}/")
                clients[kind, server] = await stack.enter_async_context(client)
        for number, speaker in enumerate(clients.values()):
            await speaker.say(number)
            for (kind, _server), client in clients.items():
                assert await client.hear() == {kind: number}
        cluster.shell("from channels.layers import get_channel_layer")
        cluster.shell("from asgiref.sync import async_to_sync")
        message = {"type": "mixed.line", "text": "shell"}
        cluster.shell(f"async_to_sync(get_channel_layer().group_send)('mixed', {message})")
        for (kind, _server), client in clients.items():
            assert await client.hear() == {kind: "shell"}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.recv(), 0.1)


async def test_a_channel_name_is_good_for_the_layers_own_verbs(cluster) -> None:
    cluster.shell("from channels.layers import get_channel_layer")
    cluster.shell("from asgiref.sync import async_to_sync")
    await lane_of_channels_works(cluster.one)
    async with cluster.one.connect("named/") as client:
        message = {"type": "line", "text": "by name"}
        name = await client.hear()
        cluster.shell(f"async_to_sync(get_channel_layer().send)('{name}', {message})")
        assert await client.hear() == "by name"


async def test_of_fifty_publishers_against_a_busy_loop_nothing_is_lost_unseen(
    cluster, rooms
) -> None:
    client, other = [await rooms("two", name, "quiet") for name in ("flood", "other")]
    cluster.shell(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from rest_channels.groups import Group\n"
        "def publish(number):\n"
        "    for _ in range(1000): Group('flood').send({'text': '1'})\n"
    )
    flood = asyncio.create_task(
        asyncio.to_thread(
            cluster.shell,
            "with ThreadPoolExecutor(50) as pool: result = len(list(pool.map(publish, range(50))))",
        )
    )
    for _ in range(10):
        await asked(other, "block", 0.3)
    heard = 0

    def missing() -> int:  # of this group: other tests' outages may still be told
        log = cluster.two.log_file.read_text()
        return sum(map(int, re.findall(r"lost: {.*'flood': (\d+)", log)))

    async with asyncio.timeout(120):
        while not (flood.done() and heard + missing() >= 50_000):
            try:
                async with asyncio.timeout(0.2):
                    while True:
                        frame = await client.hear()
                        heard += frame == 1
            except TimeoutError:
                continue
    print(f"{heard} heard, {missing()} missed")
    assert (await flood, heard + missing()) == (50, 50_000)
    assert heard > 0


# Who may no longer stay: in a process that is told of it, or at its next look (here each second).

USER = "User.objects.filter(username='bob')"
ENDS = [
    ("browser.logout()", 4440),
    ("browser.session.delete()", 4440),
    ("browser.session.flush()", 4440),
    ("Session.objects.filter(pk=key).update(expire_date='2000-01-01 00:00Z')", 4440),
    ("bob.set_password('new'); bob.save()", 4441),
    (f"{USER}.update(password='x')", 4441),
    ("bob.is_active = False; bob.save()", 4442),
    (f"{USER}.update(is_active=False)", 4442),
    ("bob.delete()", 4442),
    ("revoke(user=bob)", 4443),
    ("revoke(session_key=key)", 4443),
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


@pytest.mark.parametrize(("what", "code"), ENDS)
async def test_what_ends_a_session_or_a_user_closes_the_sockets_of_every_process(
    cluster, rooms, what, code
) -> None:
    other = await rooms("one", "staying")
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(cluster.shell, LOG_IN)}"}
    async with (
        cluster.one.connect("room/bob/", additional_headers=headers) as here,
        cluster.two.connect("room/bob/", additional_headers=headers) as there,
    ):
        began = time.monotonic()
        await asyncio.to_thread(cluster.shell, what)
        assert {(await client.ended())[0] for client in (here, there)} == {code}
        assert time.monotonic() - began < 2.5
    assert await asked(other, "say", "still here") in ("said", "still here")


async def test_who_was_revoked_while_the_broker_was_away_is_found_all_the_same(cluster) -> None:
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(cluster.shell, LOG_IN)}"}
    async with cluster.two.connect("room/bob/", additional_headers=headers) as there:
        with cluster.broker.paused():
            await asyncio.to_thread(cluster.shell, "bob.is_active = False; bob.save()")
            assert (await there.ended())[0] == 4442


# Outages. No socket closes, what is local goes on, and the rest is back within three seconds.


@pytest.mark.parametrize("outage", ["restart", "flush", "pause"])
async def test_an_outage_of_the_broker_closes_nothing(cluster, rooms, outage) -> None:
    ada, near = [await rooms("one", "outage", "quiet") for _ in range(2)]
    graces = [await rooms("two", "outage") for _ in range(20)]
    for number, grace in enumerate(graces):
        groups = MANY[number * 100 : (number + 1) * 100]
        assert await asked(grace, "join", groups) == "joined"

    async def speak(text) -> None:
        await ada.say({"say": text})
        assert await near.hear() == text
        assert {await ada.hear(), await ada.hear()} == {text, "said"}

    async def outlast(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await speak("anybody there?")
            await asyncio.sleep(0.05)  # who says more is closed for flooding

    if outage == "restart":
        cluster.broker.kill()
        await outlast(3)
        await asyncio.to_thread(cluster.broker.start)
    elif outage == "pause":
        with cluster.broker.paused():
            await outlast(10)
    else:
        cluster.broker.flush()
    back = time.monotonic()

    async def speak_until_heard() -> float:
        while True:
            await speak("back")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(heard_until(graces[0], "back"), 0.05)
                return time.monotonic() - back

    first = await asyncio.wait_for(speak_until_heard(), 3)
    print(f"first delivery {first:.2f} s after the {outage}")
    if outage == "flush":
        await asyncio.sleep(3)
    else:
        gap = {"gap": sorted([*MANY[1900:], "outage"])}
        await asyncio.wait_for(heard_until(graces[-1], gap), 3 - first)
    speaker = await rooms("one", MANY[-1])
    await speaker.say({"say": "last"})
    await asyncio.wait_for(heard_until(graces[-1], "last"), 3)
