"""The action dialect: an action that echoes, one that retrieves a row, and a streamed list."""

import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType

from ..driver import Arrivals, close_sockets, open_sockets
from ..exchanges import connections, measure
from ..measuring import Line, Plan, at_most, of_bare, over_raw
from ..peers import Peer

DATA = {"id": 1, "text": "The quick brown fox", "tags": ["a", "b"], "at": 1.5}

ROWS, PAGE = 10_000, 100
#: Frames in one sample.
QUERIES = {"ours": 500, "raw": 500}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure microseconds per action, and the memory of a streamed list."""
    echo = {"action": "echo", "request_id": 1, "data": DATA}
    requirements = (over_raw(10), of_bare(0.6))
    lines = []
    for count in (1, 100):
        values = await measure(peers, plan, "actions", count, echo, is_correct)
        lines.append(Line(f"action 'echo', {connections(count)}", "µs", values, requirements))
    pk = await sync_to_async(lambda: ContentType.objects.order_by("pk")[0].pk)()
    retrieve = {"action": "retrieve", "request_id": 1, "pk": pk}
    querying = [peer for peer in peers if peer.name != "bare"]
    values = await measure(querying, plan, "rows", 1, retrieve, is_correct, QUERIES)
    lines.append(Line(f"action 'retrieve', {connections(1)}", "µs", values, (over_raw(1.25),)))
    return [*lines, await stream(peers)]


async def stream(peers: Sequence[Peer]) -> Line:
    """Measure the peak memory while many rows are sent, page by page.

    Most of it is garbage that is not collected yet.
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
    """Create the rows, if they do not exist."""
    if not ContentType.objects.filter(app_label="many").exists():
        rows = [ContentType(app_label="many", model=f"row{number}") for number in range(ROWS)]
        ContentType.objects.bulk_create(rows)


def is_correct(answer: Any) -> bool:
    """Return whether the action succeeded."""
    return not answer["errors"] and answer["response_status"] == 200
