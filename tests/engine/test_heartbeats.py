"""What the heartbeat of a hub starts."""

import asyncio

from rest_channels.consumers import SocketConsumer
from rest_channels.engine import hub
from rest_channels.testing import SocketCommunicator


async def test_a_heartbeat_does_not_start_work_that_still_runs_since_an_earlier_one(
    monkeypatch, settings, settle
) -> None:
    settings.REST_CHANNELS = {"BEAT": 0.001}
    slow_runs, quick_runs, database_answers = [], [], asyncio.Event()

    async def slow(hub) -> None:
        slow_runs.append(hub)
        await database_answers.wait()

    async def quick(hub) -> None:
        quick_runs.append(hub)

    monkeypatch.setattr(hub, "_heartbeat_work", [slow, quick])
    async with SocketCommunicator(SocketConsumer.as_asgi()):
        await settle(lambda: len(quick_runs) > 5)
        assert len(slow_runs) == 1
        database_answers.set()
        await settle(lambda: len(slow_runs) > 5)
