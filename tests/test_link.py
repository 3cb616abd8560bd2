"""Two nodes on one broker, as two processes would be: on both Redis layers, also when it fails."""

import asyncio
import random
import time
from contextlib import AsyncExitStack

import pytest
from django.test import override_settings

from rest_channels.cluster import uplink
from rest_channels.cluster.counts import counts
from rest_channels.cluster.link import Link
from rest_channels.cluster.nodes import new_node
from rest_channels.cluster.packets import VERSION, Do, Say, pack
from rest_channels.cluster.uplink import EVERYONE, group_of
from rest_channels.messages import Event
from tests.brokers import LAYERS, Broker, layers

ADA, GRACE = "aaaaaaaaaa-1", "bbbbbbbbbb-1"


class Ears:
    """A hub that remembers what it heard."""

    def __init__(self, *groups: str) -> None:
        self.groups = set(groups)
        self.texts: list[str] = []
        self.obeyed: list[tuple] = []
        self.gaps: list[str] = []
        self.restorations = 0

    def wants(self, group):
        return group in self.groups or group == EVERYONE

    def wanted(self):
        return [EVERYONE, *self.groups]

    def hear(self, event):
        self.texts.append(event.text)

    def obey(self, command, args):
        self.obeyed.append((command, *args))

    def missed(self, groups):
        self.gaps += groups

    def restored(self):
        self.restorations += 1


class Node:
    """A link with ears; each is of another process."""

    def __init__(self, name: str, *groups: str) -> None:
        self.ears = Ears(*groups)
        self.link = Link(name, self.ears)
        for group in groups:
            self.link.heard.join(group, time.monotonic() - 60)

    async def __aenter__(self) -> "Node":
        await asyncio.wait({self.link.tried})
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.link.stop()

    def say(self, group: str, *texts: str) -> None:
        for text in texts:
            self.link.uplink.put(group, Event.rendered(group, None, text))

    async def hears(self, *texts: str, patience: float = 5.0) -> float:
        """It hears these, in this order and no others; the seconds until then."""
        began = time.monotonic()
        await happens(lambda: len(self.ears.texts) >= len(texts), patience)
        assert self.ears.texts == list(texts)
        self.ears.texts.clear()
        return time.monotonic() - began


async def happens(condition, patience: float = 5.0) -> None:
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - what happens, happens in another process
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def broker():
    broker = Broker()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=LAYERS, ids=["core", "pubsub"])
def layer(request, broker):
    """One of the Redis layers."""
    with override_settings(CHANNEL_LAYERS=layers(request.param, broker.url)):
        yield request.param


@pytest.fixture
async def pair(layer):
    """Ada, who is in no group, and Grace, who is in `chess`."""
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(Node(ADA))
        grace = await stack.enter_async_context(Node(GRACE, "chess"))
        yield ada, grace


@pytest.fixture
def missed():
    """How many messages were missed, and how many did not leave, since the test began."""
    before = counts.missed, counts.undelivered
    return lambda: (counts.missed - before[0], counts.undelivered - before[1])


async def test_what_one_process_says_the_other_hears_in_order(pair) -> None:
    ada, grace = pair
    texts = [str(number) for number in range(500)]
    ada.say("chess", *texts)
    ada.say("go", "nobody is there")
    await grace.hears(*texts)


async def test_nobody_hears_what_the_own_process_says(pair) -> None:
    ada, _grace = pair
    async with Node(new_node(), "chess") as one, Node(new_node(), "chess") as two:
        one.say("chess", "known already")
        await one.link.uplink.flush()
        ada.say("chess", "news")
        await two.hears("news")


async def test_who_joins_hears_what_is_said_from_then_on_and_who_leaves_no_more(pair) -> None:
    ada, grace = pair
    grace.ears.groups.add("go")
    if (joining := grace.link.join("go")) is not None:
        await asyncio.wait({joining})
    ada.say("go", "hello")
    await grace.hears("hello")
    grace.ears.groups.remove("go")
    grace.link.leave("go")
    ada.say("chess", "still here")
    await grace.hears("still here")


async def test_joining_and_leaving_in_one_breath_ends_as_was_wanted_last(pair) -> None:
    ada, grace = pair
    for _ in range(5):
        grace.ears.groups.add("go")
        grace.link.join("go")
        grace.ears.groups.remove("go")
        grace.link.leave("go")
    grace.ears.groups.add("go")
    if (joining := grace.link.join("go")) is not None:
        await asyncio.wait({joining})
    ada.say("go", "hello")
    await grace.hears("hello")


async def test_a_command_is_obeyed_and_acknowledged(pair) -> None:
    ada, grace = pair
    assert await ada.link.ask(grace.link.node, "dance", 3, "steps")
    assert grace.ears.obeyed == [("dance", 3, "steps")]


async def test_a_node_that_is_not_there_costs_a_second_and_raises_nothing(pair) -> None:
    ada, _grace = pair
    began = time.monotonic()
    assert not await ada.link.ask("cccccccccc-1", "dance")
    assert time.monotonic() - began < 2


async def test_what_cannot_travel_is_logged_and_counted_and_the_line_lives(
    pair, missed, caplog
) -> None:
    ada, grace = pair
    ada.link.uplink.put("chess", Event("chess", {"type": "x", "of": object()}))
    ada.say("chess", "fine")
    await grace.hears("fine")
    assert "cannot travel" in caplog.text
    assert (missed(), grace.ears.gaps) == ((1, 1), ["chess"])


async def test_the_queue_is_bounded_and_what_does_not_fit_is_missed(
    pair, missed, monkeypatch
) -> None:
    ada, grace = pair
    monkeypatch.setattr(uplink, "QUEUE", 20)
    ada.say("chess", *map(str, range(100)))
    await ada.link.uplink.flush()
    ada.say("chess", "last")
    await happens(lambda: "last" in grace.ears.texts)
    assert len(grace.ears.texts) + missed()[0] == 101
    assert missed()[0] == missed()[1] > 70


async def test_the_loss_of_a_last_message_is_known_within_two_seconds(pair, missed) -> None:
    ada, grace = pair
    ada.say("chess", "heard")
    await grace.hears("heard")
    ada.link.uplink.numbers.take("chess", 3, time.monotonic())  # said, and lost on the way
    await happens(lambda: missed() == (3, 0), 2.5)
    assert grace.ears.gaps == ["chess"]


async def test_packets_of_a_newer_release_are_passed_over(pair, caplog) -> None:
    ada, grace = pair
    line = await ada.link._get_line()
    newer = pack(ada.link.node, Say("chess", 0.0, 0.0, 1, ())) | {"v": VERSION + 1}
    await line.send("chess", newer)
    await line.send("chess", pack(ada.link.node, Say("chess", 0.0, 0.0, 1, ())) | {"new": {}})
    await line.send("chess", {"type": "something.else"})
    ada.say("chess", "fine")
    await grace.hears("fine")
    assert "another release" in caplog.text


async def test_nothing_is_left_in_the_broker_by_who_leaves(layer, broker) -> None:
    broker.flush()
    async with Node(ADA, "chess", "go"):
        pass
    with broker.client() as client:
        assert client.keys("*:group:*") == []
        assert client.pubsub_channels() == []


async def test_memberships_are_renewed_before_the_layer_ends_them(broker) -> None:
    config = layers(LAYERS[0], broker.url, group_expiry=3)
    with override_settings(CHANNEL_LAYERS=config):
        async with Node(ADA) as ada, Node(GRACE, "chess") as grace:
            for number in range(5):
                await asyncio.sleep(1)
                ada.say("chess", str(number))
                await grace.hears(str(number))
            assert grace.ears.restorations == 0


# Outages.

MANY = [f"group-{number}" for number in range(2000)]


@pytest.mark.quiet
@pytest.mark.parametrize("outage", ["restart", "flush", "pause"])
async def test_after_an_outage_all_groups_are_back_within_three_seconds_and_losses_are_counted(
    layer, broker, missed, outage
) -> None:
    async with Node(ADA) as ada, Node(GRACE, *MANY) as grace:
        said = 0

        async def talk() -> None:
            nonlocal said
            while True:
                said += 1
                ada.say(MANY[said % 7], str(said))
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(talk())
        await happens(lambda: len(grace.ears.texts) > 5)
        if outage == "restart":
            broker.kill()
            await asyncio.sleep(2)
            await asyncio.to_thread(broker.start)
        elif outage == "flush":
            broker.flush()
        else:
            with broker.paused():
                await asyncio.sleep(3)
        back = time.monotonic()
        heard = len(grace.ears.texts)
        await happens(lambda: len(grace.ears.texts) > heard + 3, 3)
        print(f"first delivery {time.monotonic() - back:.2f} s after the {outage}")
        if outage != "flush":
            await happens(lambda: grace.ears.restorations == 1, 3)
            ada.say(MANY[-1], "the last group")
            await happens(lambda: "the last group" in grace.ears.texts)
            said += 1
        talking.cancel()
        await happens(lambda: len(grace.ears.texts) + missed()[0] == said, 8)


async def test_it_begins_without_a_broker_and_finds_it_when_it_comes(layer, broker) -> None:
    broker.kill()
    try:
        async with Node(ADA) as ada, Node(GRACE, "chess") as grace:
            began = time.monotonic()
            ada.say("chess", "lost")
            await ada.link.uplink.flush()
            assert time.monotonic() - began < 1.5
            await asyncio.to_thread(broker.start)
            await happens(lambda: grace.ears.restorations and ada.ears.restorations, 3)
            ada.say("chess", "found")
            await grace.hears("found")
    finally:
        if broker.server is None:
            broker.start()


async def test_a_command_that_was_lost_is_missed_as_well(pair, missed) -> None:
    ada, grace = pair
    await ada.link.ask(grace.link.node, "first")
    hers = group_of(grace.link.node)
    ada.link.uplink.numbers.take(hers, 1, time.monotonic())  # said, and lost on the way
    await happens(lambda: missed() == (1, 0), 2.5)
    assert grace.ears.gaps == [hers]


async def test_many_lines_leave_nothing_around_their_loop(layer) -> None:
    loop = asyncio.get_running_loop()
    before = vars(loop).get("close")
    for _ in range(20):
        async with Node(ADA):
            pass
    assert vars(loop).get("close") is before


async def test_a_membership_that_changes_all_the_time_ends_as_was_wanted_last(pair) -> None:
    _ada, grace = pair
    chance = random.Random(1)
    for _ in range(300):
        grace.ears.groups ^= {"go"}
        changing = (grace.link.join if "go" in grace.ears.groups else grace.link.leave)("go")
        if changing is not None and chance.random() < 0.5:
            await asyncio.wait({changing})
        else:
            await asyncio.sleep(chance.random() * 0.002)
    wanted = "go" in grace.ears.groups
    await happens(lambda: ("go" in grace.link._memberships.joined) == wanted, 1)


async def test_a_command_for_all_is_said_again_when_the_broker_is_back(layer, broker) -> None:
    async with Node(ADA) as ada, Node(GRACE, "chess") as grace:
        with broker.paused():
            ada.link.uplink.put(EVERYONE, Do("expire", (["key"],)))
            await ada.link.uplink.flush()
        await happens(lambda: ("expire", ["key"]) in grace.ears.obeyed)
