"""What permessage-deflate costs: fan-out to 100 members of a real server, with it and without.

The server is uvicorn with its option `ws_per_message_deflate`. It compresses each frame for each
member, with a window of its own. The client decompresses only the frames of its first socket.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from ..measuring import Line, Plan, line_of
from ..peers import Peer
from ..serving import drive, serving
from .end_to_end import cpu_of

MEMBERS = 100
KINDS = ("200 B", "20 kB")
LABELS = {False: "not compressed", True: "permessage-deflate"}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the CPU time of the server per frame, and its memory per connection."""
    samples = {deflate: measure(peers, plan, deflate) for deflate in LABELS}
    lines = [
        line_of(
            f"fan-out {kind}, {MEMBERS} members, {label}, CPU time of the server per frame",
            "µs",
            cpu_of(samples[deflate], kind),
        )
        for kind in KINDS
        for deflate, label in LABELS.items()
    ]
    for deflate, label in LABELS.items():
        kilobytes = {name: value / 1e3 for name, value in samples[deflate]["memory"].items()}
        case = f"{MEMBERS} members, {label}, memory of the server per connection"
        lines.append(Line(case, "kB", kilobytes))
    return lines


def measure(peers: Sequence[Peer], plan: Plan, deflate: bool) -> dict[str, Any]:
    """Measure all peers with compression or without."""
    with ExitStack() as stack:
        servers = {
            peer.name: [stack.enter_context(serving(peer.name, deflate=deflate))] for peer in peers
        }
        return drive(servers, KINDS, plan, sockets=MEMBERS, deflate=deflate)
