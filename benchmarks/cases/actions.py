"""The REST dialect: an action that echoes, one that retrieves a row, a list that is streamed."""

import json
import tracemalloc
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType

from ..driver import Arrivals, PingPong, Socket, close_sockets, open_sockets
from ..measuring import Line, Plan, at_most, interleave, medians, of_bare, over_raw
from ..peers import Peer

DATA = {"id": 1, "text": "The quick brown fox", "tags": ["a", "b"], "at": 1.5}

#: Frames in one sample, see `echo`.
FRAMES = {"ours": 10_000, "raw": 1_000, "bare": 10_000}
ROWS, PAGE = 10_000, 100
QUERIES = {"ours": 500, "raw": 500}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Microseconds per action."""
    echo = {"action": "echo", "request_id": 1, "data": DATA}
    floors = (over_raw(10), of_bare(0.6))
    lines = [
        await measure(peers, plan, "actions", count, echo, FRAMES, floors) for count in (1, 100)
    ]
    pk = await sync_to_async(lambda: ContentType.objects.order_by("pk")[0].pk)()
    retrieve = {"action": "retrieve", "request_id": 1, "pk": pk}
    querying = [peer for peer in peers if peer.name != "bare"]
    floors = (over_raw(1.25),)
    lines.append(await measure(querying, plan, "rows", 1, retrieve, QUERIES, floors))
    return [*lines, await stream(peers)]


async def stream(peers: Sequence[Peer]) -> Line:
    """The most memory that is taken while many rows are sent, page by page.

    Most of it is what the garbage collector has not come to yet.
    """
    await sync_to_async(make_rows)()
    ours = next(peer for peer in peers if peer.name == "ours")
    sockets = await open_sockets(ours["stream"], 1)
    arrivals = sockets[0].sink = Arrivals(ROWS // PAGE)
    tracemalloc.start()
    sockets[0].push_text(json.dumps({"action": "list", "request_id": 1, "limit": PAGE}))
    await arrivals.wait()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await close_sockets(sockets)
    case = f"{ROWS:,} rows streamed, {PAGE} a page: peak memory"
    return Line(case, "kB", {"ours": peak / 1e3}, (at_most(2_500, "kB"),))


def make_rows() -> None:
    """Enough of them, once."""
    if not ContentType.objects.filter(app_label="many").exists():
        rows = [ContentType(app_label="many", model=f"row{number}") for number in range(ROWS)]
        ContentType.objects.bulk_create(rows)


async def measure(
    peers: Sequence[Peer],
    plan: Plan,
    application: str,
    count: int,
    frame: dict[str, Any],
    frames: dict[str, int],
    floors: Any,
) -> Line:
    """One line: `count` connections, each asks again when it was answered."""
    sockets = {peer.name: await open_sockets(peer[application], count) for peer in peers}

    async def sample(peer: Peer) -> float:
        number = frames[peer.name] // (5 if plan.quick else 1)
        return 1e6 * await exchange(sockets[peer.name], frame, number) / number

    for peer in peers:
        await exchange(sockets[peer.name], frame, 200)
    samples = await interleave(peers, plan.count(9, 5), sample)
    for peer in peers:
        await close_sockets(sockets[peer.name])
    plural = "s" if count > 1 else ""
    case = f"action {frame['action']!r}, {count} connection{plural}"
    return Line(case, "µs", medians(samples), floors)


async def exchange(sockets: Sequence[Socket], frame: dict[str, Any], number: int) -> float:
    """Seconds for so many answers."""
    sink = PingPong(json.dumps(frame), number)
    for socket in sockets:
        socket.sink = sink
    start = perf_counter()
    sink.start(sockets)
    await sink.wait()
    seconds = perf_counter() - start
    answer = json.loads(sink.last["text"])
    if answer["errors"] or answer["response_status"] != 200:
        raise RuntimeError(f"not an answer: {answer!r:.200}")
    return seconds
