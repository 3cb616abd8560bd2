"""The process of an isolated peer: `python -m benchmarks.isolated.node dcrf`.

Each line of its standard input is a command in JSON, `[name, options]`, and each gets one line as
answer: `subscribe`, then any number of `save`.
"""

import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from .. import database
from ..measuring import without_gc
from ..observing import Subscribers
from ..peers import load


async def main() -> None:
    """Run commands until standard input ends."""
    (peer,) = load(sys.argv[1:2])
    subscribers = Subscribers(peer)

    async def subscribe(count: int) -> Any:
        await subscribers.subscribe(count)
        packages = ("djangochannelsrestframework", "Django", "channels", "djangorestframework")
        versions = [f"{package} {version(package)}" for package in packages]
        return ", ".join(
            (*versions, f"{platform.python_implementation()} {sys.version.split()[0]}")
        )

    async def save() -> Any:
        return await without_gc(Subscribers.save, subscribers)

    commands: dict[str, Callable[..., Awaitable[Any]]] = {"subscribe": subscribe, "save": save}
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, options = json.loads(line)
        print(json.dumps(await commands[name](**options)), flush=True)
    os._exit(0)  # without closing the sockets


if __name__ == "__main__":
    database.prepare()
    asyncio.run(main())
