"""Two server processes notice outages, and ends of sessions and users, in time."""

import asyncio
import time
from functools import partial

import pytest

from rest_channels.cluster.streams import REPORT_UNTIL
from tests.brokers import LAYERS

from .cluster import frames_until, request

pytestmark = pytest.mark.quiet  # outages and revocations end within seconds

MANY = [f"group-{number}" for number in range(2000)]


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
@pytest.mark.parametrize("running", LAYERS[1:], ids=["pubsub"], indirect=True, scope="module")
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
