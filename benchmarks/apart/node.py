"""The process of a peer that is apart: `python -m benchmarks.apart.node dcrf`.

It gets orders on its standard input, a line of JSON each, `[name, options]`, and answers each with
one: `gather`, then as many `save` as one likes.
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
from ..measuring import quietly
from ..observing import Audience
from ..peers import load


async def main() -> None:
    """Obey until there are no more orders."""
    (peer,) = load(sys.argv[1:2])
    audience = Audience(peer)

    async def gather(count: int) -> Any:
        await audience.gather(count)
        packages = ("djangochannelsrestframework", "Django", "channels", "djangorestframework")
        texts = [f"{package} {version(package)}" for package in packages]
        return ", ".join((*texts, f"{platform.python_implementation()} {sys.version.split()[0]}"))

    async def save() -> Any:
        return await quietly(Audience.save, audience)

    orders: dict[str, Callable[..., Awaitable[Any]]] = {"gather": gather, "save": save}
    while line := await asyncio.to_thread(sys.stdin.readline):
        order, options = json.loads(line)
        print(json.dumps(await orders[order](**options)), flush=True)
    os._exit(0)  # the last sockets need not be closed


if __name__ == "__main__":
    database.prepare()
    asyncio.run(main())
