"""What permessage-deflate costs: fan-out to 100 members of a real server, with it and without.

The server is uvicorn with its option `ws_per_message_deflate`. It compresses each frame for each
member, with a window of its own. The client decompresses only the frames of its first socket.

A prototype, `shared_deflate`, compresses equal frames once.
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
#: The labels of the variants, and the options of the server.
VARIANTS: dict[str, dict[str, Any]] = {
    "not compressed": {},
    "permessage-deflate": {"deflate": True},
    "compressed once (a prototype)": {
        "deflate": True,
        "ws": "benchmarks.shared_deflate:Protocol",
    },
}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the CPU time of the server per frame, and its memory per connection."""
    samples = {label: measure(peers, plan, options) for label, options in VARIANTS.items()}
    lines = [
        line_of(
            f"fan-out {kind}, {MEMBERS} members, {label}, CPU time of the server per frame",
            "µs",
            cpu_of(samples[label], kind),
        )
        for kind in KINDS
        for label in VARIANTS
    ]
    for label in VARIANTS:
        kilobytes = {name: value / 1e3 for name, value in samples[label]["memory"].items()}
        case = f"{MEMBERS} members, {label}, memory of the server per connection"
        lines.append(Line(case, "kB", kilobytes))
    return lines


def measure(peers: Sequence[Peer], plan: Plan, options: dict[str, Any]) -> dict[str, Any]:
    """Measure all peers with these options of the server."""
    with ExitStack() as stack:
        servers = {
            peer.name: [stack.enter_context(serving(peer.name, **options))] for peer in peers
        }
        return drive(servers, KINDS, plan, sockets=MEMBERS, deflate=options.get("deflate", False))
