"""Nodes of other processes: links whose receivers record what arrives."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from rest_channels.cluster.link import Link
from rest_channels.cluster.packet_sender import ALL_NODES_GROUP
from rest_channels.protocol.messages import Event

ADA, GRACE, MISSING = "aaaaaaaaaa-1", "bbbbbbbbbb-1", "cccccccccc-1"
"""Names of nodes, each of another process. No test starts the last one."""


class RecordingReceiver:
    """The receiver of a link. It records what arrives."""

    def __init__(self, *groups: str) -> None:
        self.groups = set(groups)
        self.texts: list[str] = []
        self.commands: list[tuple] = []
        self.gaps: list[str] = []
        self.restorations = 0

    def wants_group(self, group):
        return group in self.groups or group == ALL_NODES_GROUP

    def wanted_groups(self):
        return [ALL_NODES_GROUP, *self.groups]

    def receive(self, event):
        self.texts.append(event.text)

    def run_command(self, command, args):
        self.commands.append((command, *args))

    def messages_lost(self, groups):
        self.gaps += groups

    def layer_restored(self):
        self.restorations += 1


class Node:
    """A link and its recording receiver, which has been in `groups` for a minute."""

    def __init__(self, name: str, *groups: str) -> None:
        self.receiver = RecordingReceiver(*groups)
        self.link = Link(name, self.receiver)
        for group in groups:
            self.link.received_streams.join(group, time.monotonic() - 60)

    async def __aenter__(self) -> "Node":
        await asyncio.wait({self.link.first_attempt})
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.link.stop()

    def send(self, group: str, *texts: str) -> None:
        for text in texts:
            self.link.sender.put(group, Event.rendered(group, None, text))

    async def receives(self, *texts: str, timeout: float = 5.0) -> None:
        """Wait for `texts`, in this order, and assert that no others arrive."""
        await wait_until(lambda: len(self.receiver.texts) >= len(texts), timeout)
        assert self.receiver.texts == list(texts)
        self.receiver.texts.clear()


async def wait_until(condition, timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - it becomes true in another task or process
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(coroutine: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `coroutine` beside an `async with` block, and cancel it at the end of the block."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
