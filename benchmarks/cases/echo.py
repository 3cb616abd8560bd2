"""One frame in, one frame out: 1 connection, and 100 at once."""

import json
from collections.abc import Sequence
from typing import Any

from ..exchanges import connections, measure
from ..measuring import Line, Plan, of_bare, over_raw
from ..peers import Peer

DATA = {"id": 1, "text": "The quick brown fox", "tags": ["a", "b"], "at": 1.5}
CONTENT = {"method": "echo", "data": DATA}
FRAME = json.dumps(CONTENT)
ANSWER = {"method": "echo", "data": DATA, "status": 200}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure microseconds per echo."""
    requirements = (over_raw(10), of_bare(0.6))
    return [
        Line(
            f"echo, {connections(count)}",
            "µs",
            await measure(peers, plan, "echo", count, CONTENT, is_correct),
            requirements,
        )
        for count in (1, 100)
    ]


def is_correct(answer: Any) -> bool:
    """Return whether it is the echo."""
    return bool(answer == ANSWER)
