"""Handlers of `sockets`: a message finds one of a hundred routes; many rows are spoken to."""

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
    """Microseconds per message; milliseconds of CPU per message to many."""
    lines = [await dispatch(peers, plan, kind) for kind in TYPES]
    return [*lines, *await speak(peers, plan)]


async def dispatch(peers: Sequence[Peer], plan: Plan, kind: str) -> Line:
    """One line: one connection, whose messages are of this kind."""
    content = {"type": TYPES[kind], "x": 1}

    def right(answer: Any) -> bool:
        return answer.pop("TIMESTAMP") is not None and answer == content

    values = await measure(peers, plan, "dispatch", 1, content, right)
    return Line(f"100 routes, {kind}", "µs", values, (over_raw(8),))


async def speak(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Milliseconds of CPU to say something to many sockets of this process.

    Twice: to a queryset, whose addresses are asked of the database first, and to addresses that
    are known. Bare has its members in a set.
    """
    from sockets.models import Socket as Row

    present = [peer for peer in peers if peer.name != "raw"]
    sockets = {peer.name: await open_sockets(peer["addressed"], MANY) for peer in present}
    known = await Row.objects.agroup()

    async def ask_and_tell(content: Any) -> None:
        await Row.objects.asend_json(content)

    async def tell(content: Any) -> None:
        await known.send_json(content)

    lines = []
    for words, ours in {"a queryset": ask_and_tell, "addresses": tell}.items():
        ways = {"ours": ours, "bare": bare.tell}

        async def sample(peer: Peer, ways: Any = ways) -> float:
            return 1e3 * await spoken(sockets[peer.name], ways[peer.name])

        samples = await interleave(present, plan.count(9, 5), sample)
        case = f"send_json to {words} of {MANY:,} sockets: CPU"
        lines.append(Line(case, "ms", medians(samples), (of_bare_at_most(3),)))
    for peer in present:
        await close_sockets(sockets[peer.name])
    return lines


async def spoken(sockets: Sequence[Socket], tell: Any, repeats: int = 10) -> float:
    """Seconds of CPU to tell all of them once."""
    began = process_time()
    for number in range(repeats):
        arrivals = Arrivals(len(sockets))
        for socket in sockets:
            socket.sink = arrivals
        await tell({"type": "CHAT", "number": number})
        await arrivals.wait()
        if json.loads(arrivals.last["text"])["number"] != number:
            raise RuntimeError(f"not what was said: {arrivals.last!r:.200}")
    return (process_time() - began) / repeats
