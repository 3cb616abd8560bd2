"""The time to import the library in a process that has imported Django, Channels and DRF."""

import os
import subprocess
import sys
from collections.abc import Sequence

from ..configuration import FOLDER
from ..environments import VARIABLE
from ..measuring import Line, Plan, Requirement, at_most, interleave, line_of
from ..peers import Peer

PROGRAM = """
import time
import benchmarks
import channels.auth, channels.db, channels.generic.websocket, channels.layers, channels.routing
import rest_framework.exceptions, rest_framework.generics, rest_framework.permissions
import rest_framework.serializers, rest_framework.throttling, rest_framework.views
start = time.perf_counter()
import rest_channels.consumers, rest_channels.views
{more}
print(1e3 * (time.perf_counter() - start))
"""

#: What more is imported, and what is required of it, by the name of the line.
LINES: dict[str, tuple[str, Sequence[Requirement]]] = {
    "import of views and consumers, beyond Django, Channels, DRF": ("", (at_most(40, "ms"),)),
    "the same, and the import of ModelConsumer": ("rest_channels.consumers.ModelConsumer", ()),
}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure milliseconds in new processes. The first only compiles, and does not count."""
    ours = [peer for peer in peers if peer.name == "ours"]
    lines = []
    for case, (more, requirements) in LINES.items():

        async def sample(peer: Peer, more: str = more) -> float:
            return import_time(more)

        await interleave(ours, 1, sample)
        samples = await interleave(ours, plan.count(7, 3), sample)
        lines.append(line_of(case, "ms", samples, requirements))
    return lines


def import_time(more: str) -> float:
    """Return milliseconds, measured by a new process that also evaluates `more`."""
    command = [sys.executable, "-c", PROGRAM.format(more=more)]
    # As in the environment of another peer: otherwise Django has already imported the library.
    env = {**os.environ, VARIABLE: "1", "PYTHONPYCACHEPREFIX": str(FOLDER / "compiled")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env=env
    )
    return float(process.stdout)
