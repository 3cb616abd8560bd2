"""The process that runs the workloads of one peer: `python -m benchmarks.worker ours`."""

import asyncio
import faulthandler
import gc
import platform
import signal
import sys
import tracemalloc
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any

from . import database
from .driver import open_sockets
from .measuring import without_gc
from .observing import Subscribers
from .peers import load
from .processes import serve_commands
from .workloads import Workload, make

#: Packages whose versions are reported.
PACKAGES = ("Django", "channels", "asgiref", "orjson")


class Worker:
    """The commands of the process: each public method is one."""

    def __init__(self, name: str) -> None:
        (self.peer,) = load([name])
        self.workload: Workload | None = None

    async def versions(self) -> str:
        """Return the versions of Python and of the peer's packages."""
        packages = [*self.peer.packages, *PACKAGES]
        python = f"{platform.python_implementation()} {platform.python_version()}"
        return ", ".join([python, *(f"{name} {version(name)}" for name in packages)])

    async def open(self, name: str, **options: Any) -> None:
        """Prepare the workload `name`."""
        self.workload = make(self.peer, name, **options)
        await self.workload.open()

    async def run(self, repeats: int) -> dict[str, float]:
        """Run the workload. Return seconds of CPU and wall time, and the number of operations."""
        assert self.workload is not None
        gc.collect()
        wall, cpu = perf_counter(), process_time()
        operations = await self.workload.run(repeats)
        return {
            "cpu": process_time() - cpu,
            "wall": perf_counter() - wall,
            "operations": operations,
        }

    async def subscribe(self, count: int) -> None:
        """Subscribe `count` sockets to one row."""
        self.subscribers = Subscribers(self.peer)
        await self.subscribers.subscribe(count)

    async def save(self) -> Any:
        """Save the row, and return what `Subscribers.save` measured."""
        return await without_gc(Subscribers.save, self.subscribers)

    async def idle_bytes(self, application: str, count: int) -> float:
        """Return the traced bytes of each of `count` new connections, which stay open."""
        await open_sockets(self.peer[application], 100)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        self.sockets = await open_sockets(self.peer[application], count)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return (after - before) / count


async def main() -> None:
    """Run commands until standard input ends."""
    faulthandler.register(signal.SIGUSR1)  # to find where it hangs
    worker = Worker(sys.argv[1])
    names = ("versions", "open", "run", "subscribe", "save", "idle_bytes")
    await serve_commands({name: getattr(worker, name) for name in names})


if __name__ == "__main__":
    database.prepare()
    asyncio.run(main())
