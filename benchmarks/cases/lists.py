"""The memory of a streamed list."""

import json
import tracemalloc
from collections.abc import Sequence

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType

from ..driver import Arrivals, close_sockets, open_sockets
from ..measuring import Line, Plan, at_most
from ..peers import Peer

ROWS, PAGE = 10_000, 100


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
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
    return [Line(case, "kB", {"ours": peak / 1e3}, (at_most(2_500, "kB"),))]


def make_rows() -> None:
    """Create the rows, if they do not exist."""
    if not ContentType.objects.filter(app_label="many").exists():
        rows = [ContentType(app_label="many", model=f"row{number}") for number in range(ROWS)]
        ContentType.objects.bulk_create(rows)
