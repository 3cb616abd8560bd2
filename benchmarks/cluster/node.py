"""One process of a cluster: `python -m benchmarks.cluster.node ours`.

Commands are lines of JSON on standard input, `["join_groups", {"groups": […]}]`, and answers are
lines on standard output. The process ends with its input. Its sockets are those of `driver.py`,
without a network. Messages carry the time of sending: all processes of a machine share that clock.
"""

import asyncio
import faulthandler
import json
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
from ..processes import serve_commands

#: The group for measuring rates and delays.
ROOM = "room"


class Recorder(Sink):
    """Counts the messages that the sockets of this process receive."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0
        self.reset()

    def reset(self, record_times: bool = False) -> None:
        """Start again; with `record_times` also record the times of each group's messages."""
        self.record_times = record_times
        self.count = 0
        self.last = {}
        self.at = 0.0
        self.times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def add(self, socket: Socket, message: Message) -> None:
        self.at = perf_counter()
        self.count += 1
        if self.record_times and message["type"] == "websocket.send":
            content = json.loads(message["text"])
            if isinstance(content, dict) and "at" in content:
                self.times[content["group"]].append((content["at"], self.at))

    def fail(self, reason: str) -> None:
        self.ended += 1


class Answer(Sink):
    """Receives one answer for one socket."""

    def add(self, socket: Socket, message: Message) -> None:
        self.last = message
        self.done.set_result(None)


class Node:
    """The commands: each public method is one."""

    def __init__(self, peer: Peer) -> None:
        assert peer.send is not None
        assert peer.asend is not None
        self.peer, self.send, self.asend = peer, peer.send, peer.asend
        self.recorder = Recorder()
        self.sockets: list[Socket] = []
        self.sender: Socket | None = None
        self.sending: asyncio.Task[None] | None = None
        self.threads = ThreadPoolExecutor(64)

    # Receiving.

    async def join_groups(self, groups: Sequence[Sequence[str]], attempts: int = 1) -> None:
        """Close the sockets, and open one for each list of groups, which it joins."""
        self.recorder = Recorder()
        for socket in self.sockets:
            socket.sink = self.recorder
        if alive := [socket for socket in self.sockets if not socket.task.done()]:
            await close_sockets(alive)
        self.sockets = await open_sockets(self.peer["member"], len(groups))
        joined = await asyncio.gather(*map(request, self.sockets, groups), return_exceptions=True)
        if errors := [result for result in joined if isinstance(result, Exception)]:
            if attempts == 1:
                raise errors[0]
            await self.join_groups(groups, attempts - 1)
        for socket in self.sockets:
            socket.sink = self.recorder

    async def reset(self, record_times: bool = False) -> None:
        """Start recording again."""
        self.recorder.reset(record_times)

    async def received_count(self) -> dict[str, Any]:
        """Return the number of messages received, and the time of the last."""
        return {"count": self.recorder.count, "at": self.recorder.at}

    async def received_times(self, since: float = 0.0) -> dict[str, list[tuple[float, float]]]:
        """Return by group the times of sending and receiving messages sent after `since`."""
        later = {
            group: [pair for pair in times if pair[0] >= since]
            for group, times in self.recorder.times.items()
        }
        return {group: times for group, times in later.items() if times}

    async def open_count(self) -> int:
        """Return how many sockets are still open."""
        return len(self.sockets) - self.recorder.ended

    # Sending.

    async def open_sender(self) -> None:
        """Open the socket whose handler sends from the serving loop."""
        (self.sender,) = await open_sockets(self.peer["sender"], 1)

    async def send_from_loop(self, seconds: float, pause: float = 0.0) -> dict[str, float]:
        """Send to the room for `seconds`, from a handler on the serving loop."""
        assert self.sender is not None
        cpu = process_time()
        options = {"group": ROOM, "seconds": seconds, "pause": pause}
        sent: dict[str, float] = await request(self.sender, options)
        return sent | {"cpu": process_time() - cpu}

    async def send_from_threads(
        self, seconds: float, threads: int = 1, pause: float = 0.0
    ) -> dict[str, float]:
        """Send to the room for `seconds`, from threads of a process that serves nothing."""
        loop, cpu, began = asyncio.get_running_loop(), process_time(), perf_counter()
        work = [
            loop.run_in_executor(self.threads, self.send_until, began + seconds, pause)
            for _ in range(threads)
        ]
        sent = sum(await asyncio.gather(*work))
        seconds = perf_counter() - began
        cpu = process_time() - cpu
        return {"sent": sent, "began": began, "seconds": seconds, "cpu": cpu}

    def send_until(self, end: float, pause: float) -> int:
        """Send to the room until `end`, in a thread, and return the number of messages."""
        sent = 0
        while (now := perf_counter()) < end:
            self.send(ROOM, {"group": ROOM, "at": now})
            sent += 1
            if pause:
                sleep(pause)
        return sent

    async def start_sending(self, groups: Sequence[str], every: float) -> None:
        """Start to send to each of `groups`, every `every` seconds."""
        self.sending = asyncio.create_task(self.send_repeatedly(groups, every))

    async def send_repeatedly(self, groups: Sequence[str], every: float) -> None:
        """Send until cancelled, and ignore errors."""
        while True:
            for group in groups:
                await self.try_send(group)
            await asyncio.sleep(every)

    async def stop_sending(self) -> None:
        """Stop what `start_sending` started."""
        if self.sending is not None:
            self.sending.cancel()
            await asyncio.wait({self.sending})
            self.sending = None

    async def send_once(self, groups: Sequence[str]) -> int:
        """Send once to each of `groups`, and return how many raised no error."""
        return sum([await self.try_send(group) for group in groups])

    async def try_send(self, group: str) -> bool:
        """Send to a group, and return whether it raised no error."""
        try:
            await self.asend(group, {"group": group, "at": perf_counter()})
        except Exception:  # noqa: BLE001 - layers fail in many ways without a broker
            return False
        return True


async def request(socket: Socket, content: Any) -> Any:
    """Send a frame, and return the answer."""
    if socket.task.done():
        raise RuntimeError(f"the application has ended: {socket.task.exception()!r}")
    socket.sink = answer = Answer()
    socket.push_text(json.dumps(content))
    await answer.wait()
    return json.loads(answer.last["text"])


async def main() -> None:
    """Run commands until standard input ends."""
    faulthandler.register(signal.SIGUSR1)  # to find where it hangs
    node = Node(load(sys.argv[1:2])[0])
    names = [name for name in vars(Node) if not name.startswith("_")]
    await serve_commands({name: getattr(node, name) for name in names})


if __name__ == "__main__":
    uvloop.run(main())
