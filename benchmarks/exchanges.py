"""Clients that send the next frame after each answer: `echo`, `actions` and `sockets`."""

import json
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from .driver import PingPong, Socket, close_sockets, open_sockets
from .measuring import Plan, interleave, medians
from .peers import Peer

#: Frames in one sample. Raw Channels is slower, so it gets fewer.
FRAMES = {"ours": 10_000, "raw": 1_000, "bare": 10_000}
WARM_UP = 200

#: Whether an answer is correct.
Check = Callable[[Any], bool]


async def measure(
    peers: Sequence[Peer],
    plan: Plan,
    application: str,
    count: int,
    frame: dict[str, Any],
    is_correct: Check,
    frames: Mapping[str, int] = FRAMES,
) -> dict[str, float]:
    """Return microseconds per answer, by peer, with `count` connections."""
    sockets = {peer.name: await open_sockets(peer[application], count) for peer in peers}

    async def sample(peer: Peer) -> float:
        number = frames[peer.name] // (5 if plan.quick else 1)
        return 1e6 * await exchange(sockets[peer.name], frame, is_correct, number) / number

    for peer in peers:
        await exchange(sockets[peer.name], frame, is_correct, WARM_UP)
    samples = await interleave(peers, plan.count(9, 5), sample)
    for peer in peers:
        await close_sockets(sockets[peer.name])
    return medians(samples)


async def exchange(
    sockets: Sequence[Socket], frame: dict[str, Any], is_correct: Check, number: int
) -> float:
    """Return the seconds for `number` frames and answers."""
    sink = PingPong(json.dumps(frame), number)
    for socket in sockets:
        socket.sink = sink
    start = perf_counter()
    sink.start(sockets)
    await sink.wait()
    seconds = perf_counter() - start
    if not is_correct(json.loads(sink.last["text"])):
        raise RuntimeError(f"wrong answer: {sink.last!r:.200}")
    return seconds


def connections(count: int) -> str:
    """Return `count` as text."""
    return f"{count} connection{'s' if count > 1 else ''}"
