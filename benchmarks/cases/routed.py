"""Handlers of `sockets`: finding one of a hundred routes, and sending to many rows."""

import json
from collections.abc import Sequence
from time import process_time
from typing import Any

from ..driver import Arrivals, Socket, close_sockets, open_sockets
from ..exchanges import measure
from ..measuring import Line, Plan, interleave, medians, of_bare_at_most, over_raw
from ..peers import Peer, bare

TYPES = {"exact": "TYPE_25", "by pattern": "GAME_25_MOVE"}

MANY = 1_000


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure microseconds per message, and milliseconds of CPU per message to many sockets."""
    lines = [await dispatch(peers, plan, kind) for kind in TYPES]
    return [*lines, *await send_to_many(peers, plan)]


async def dispatch(peers: Sequence[Peer], plan: Plan, kind: str) -> Line:
    """Measure messages of one kind on one connection."""
    content = {"type": TYPES[kind], "x": 1}

    def is_correct(answer: Any) -> bool:
        return answer.pop("TIMESTAMP") is not None and answer == content

    values = await measure(peers, plan, "dispatch", 1, content, is_correct)
    return Line(f"100 routes, {kind}", "µs", values, (over_raw(8),))


async def send_to_many(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the milliseconds of CPU to send a message to many sockets of this process.

    Once to a queryset, which queries the addresses first, and once to an address list. Bare has
    its members in a set.
    """
    from sockets.models import Socket as Row

    present = [peer for peer in peers if peer.name != "raw"]
    sockets = {peer.name: await open_sockets(peer["addressed"], MANY) for peer in present}
    addresses = await Row.objects.agroup()

    async def send_to_queryset(content: Any) -> None:
        await Row.objects.asend_json(content)

    async def send_to_addresses(content: Any) -> None:
        await addresses.send_json(content)

    lines = []
    for label, ours in {"a queryset": send_to_queryset, "addresses": send_to_addresses}.items():
        senders = {"ours": ours, "bare": bare.send_to_all}

        async def sample(peer: Peer, senders: Any = senders) -> float:
            return 1e3 * await cpu_seconds(sockets[peer.name], senders[peer.name])

        samples = await interleave(present, plan.count(9, 5), sample)
        case = f"send_json to {label} of {MANY:,} sockets: CPU"
        lines.append(Line(case, "ms", medians(samples), (of_bare_at_most(3),)))
    for peer in present:
        await close_sockets(sockets[peer.name])
    return lines


async def cpu_seconds(sockets: Sequence[Socket], send: Any, repeats: int = 10) -> float:
    """Return the CPU seconds to send one message to all sockets."""
    start = process_time()
    for number in range(repeats):
        arrivals = Arrivals(len(sockets))
        for socket in sockets:
            socket.sink = arrivals
        await send({"type": "CHAT", "number": number})
        await arrivals.wait()
        if json.loads(arrivals.last["text"])["number"] != number:
            raise RuntimeError(f"not the sent content: {arrivals.last!r:.200}")
    return (process_time() - start) / repeats
