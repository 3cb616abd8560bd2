"""One process of a cluster: `python -m benchmarks.cluster.node ours`.

Orders are lines of JSON on its standard input, `["gather", {"groups": […]}]`, answers lines on its
standard output; it ends with its input. Its sockets are those of `driver.py`, without a network.
What is said carries the time at which it was said; on one machine all processes share that clock.
"""

import asyncio
import faulthandler
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, process_time, sleep
from typing import Any

import uvloop

from ..driver import Message, Sink, Socket, close_sockets, open_sockets
from ..peers import Peer, load

#: The group of those who measure how much can be said.
ROOM = "room"


class PacketReceiver(Sink):
    """What the sockets of this process hear."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0
        self.forget()

    def forget(self, attentive: bool = False) -> None:
        """Begin anew; `attentive` ears also note what was heard in which group, and when."""
        self.attentive = attentive
        self.count = 0
        self.last = {}
        self.at = 0.0
        self.heard: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def take(self, socket: Socket, message: Message) -> None:
        self.at = perf_counter()
        self.count += 1
        if self.attentive and message["type"] == "websocket.send":
            content = json.loads(message["text"])
            if isinstance(content, dict) and "at" in content:
                self.heard[content["group"]].append((content["at"], self.at))

    def fail(self, reason: str) -> None:
        self.ended += 1


class Answer(Sink):
    """One answer to one socket."""

    def take(self, socket: Socket, message: Message) -> None:
        self.last = message
        self.done.set_result(None)


class Node:
    """Each public method is an order."""

    def __init__(self, peer: Peer) -> None:
        assert peer.say is not None
        assert peer.asay is not None
        self.peer, self.say, self.asay = peer, peer.say, peer.asay
        self.ears = PacketReceiver()
        self.sockets: list[Socket] = []
        self.speaker: Socket | None = None
        self.chatting: asyncio.Task[None] | None = None
        self.threads = ThreadPoolExecutor(64)

    # Hearing.

    async def gather(self, groups: Sequence[Sequence[str]], attempts: int = 1) -> None:
        """Open a socket for each list of groups, which joins them; those before it leave."""
        self.ears = PacketReceiver()
        for socket in self.sockets:
            socket.sink = self.ears
        if alive := [socket for socket in self.sockets if not socket.task.done()]:
            await close_sockets(alive)
        self.sockets = await open_sockets(self.peer["member"], len(groups))
        joined = await asyncio.gather(*map(converse, self.sockets, groups), return_exceptions=True)
        if errors := [one for one in joined if isinstance(one, Exception)]:
            if attempts == 1:
                raise errors[0]
            await self.gather(groups, attempts - 1)
        for socket in self.sockets:
            socket.sink = self.ears

    async def forget(self, attentive: bool = False) -> None:
        """Hear anew."""
        self.ears.forget(attentive)

    async def counted(self) -> dict[str, Any]:
        """How much was heard, and when the last of it."""
        return {"count": self.ears.count, "at": self.ears.at}

    async def heard(self, since: float = 0.0) -> dict[str, list[tuple[float, float]]]:
        """By group: when was said, and heard, what was said later than `since`."""
        later = {
            group: [one for one in times if one[0] >= since]
            for group, times in self.ears.heard.items()
        }
        return {group: times for group, times in later.items() if times}

    async def alive(self) -> int:
        """How many sockets are still open."""
        return len(self.sockets) - self.ears.ended

    # Saying.

    async def serve(self) -> None:
        """Serve the socket that lets this process speak."""
        (self.speaker,) = await open_sockets(self.peer["speaker"], 1)

    async def burst(self, seconds: float, pause: float = 0.0) -> dict[str, float]:
        """Speak to the room for so long, from a handler on the serving loop."""
        assert self.speaker is not None
        cpu = process_time()
        order = {"group": ROOM, "seconds": seconds, "pause": pause}
        said: dict[str, float] = await converse(self.speaker, order)
        return said | {"cpu": process_time() - cpu}

    async def shout(self, seconds: float, threads: int = 1, pause: float = 0.0) -> dict[str, float]:
        """Speak to the room for so long, from threads of a process that serves nothing."""
        loop, cpu, began = asyncio.get_running_loop(), process_time(), perf_counter()
        work = [
            loop.run_in_executor(self.threads, self.repeat, began + seconds, pause)
            for _ in range(threads)
        ]
        said = sum(await asyncio.gather(*work))
        seconds = perf_counter() - began
        cpu = process_time() - cpu
        return {"said": said, "began": began, "seconds": seconds, "cpu": cpu}

    def repeat(self, end: float, pause: float) -> int:
        """In a thread: speak until `end`."""
        said = 0
        while (now := perf_counter()) < end:
            self.say(ROOM, {"group": ROOM, "at": now})
            said += 1
            if pause:
                sleep(pause)
        return said

    async def chatter(self, groups: Sequence[str], every: float) -> None:
        """Begin to say something to each of `groups`, again and again."""
        self.chatting = asyncio.create_task(self.chat(groups, every))

    async def chat(self, groups: Sequence[str], every: float) -> None:
        """Until cancelled; what cannot be said is not."""
        while True:
            for group in groups:
                await self.try_to_say(group)
            await asyncio.sleep(every)

    async def hush(self) -> None:
        """End that."""
        if self.chatting is not None:
            self.chatting.cancel()
            await asyncio.wait({self.chatting})
            self.chatting = None

    async def call(self, groups: Sequence[str]) -> int:
        """Say something once to each of `groups`; how many could be told."""
        return sum([await self.try_to_say(group) for group in groups])

    async def try_to_say(self, group: str) -> bool:
        """Whether nothing was raised."""
        try:
            await self.asay(group, {"group": group, "at": perf_counter()})
        except Exception:  # noqa: BLE001 - a layer without its broker fails in many ways
            return False
        return True


async def converse(socket: Socket, content: Any) -> Any:
    """The answer to a frame."""
    if socket.task.done():
        raise RuntimeError(f"the application has ended: {socket.task.exception()!r}")
    socket.sink = answer = Answer()
    socket.push_text(json.dumps(content))
    await answer.wait()
    return json.loads(answer.last["text"])


async def main() -> None:
    """Obey until there are no more orders."""
    faulthandler.register(signal.SIGUSR1)  # where does it hang?
    node = Node(load(sys.argv[1:2])[0])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order, options = json.loads(line)
        answer = await getattr(node, order)(**options)
        print(json.dumps(answer), flush=True)
    os._exit(0)  # a thread of a layer that waits for its broker must not keep it


if __name__ == "__main__":
    uvloop.run(main())
