"""How long after an outage of the broker the processes hear each other again.

For each layer a broker and two processes: one speaks, the other has 20 sockets in 100 groups each.
The broker is killed and comes back empty three seconds later, or is flushed, or stands still for
three seconds. Throughout, every 50th group is spoken to, twenty times a second; what counts is
what was said after the broker's return. In the end every group has to hear one message.

Of raw Channels 20 sockets, in a group each, show what becomes of its consumers; they only listen,
and what cannot be said to them is passed over.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter

from ..cluster.broker import DOWN, OUTAGES, Broker, running
from ..cluster.nodes import LAYERS, WORDS, Node, Variant, fan_out, node
from ..measuring import Line, Plan, at_most, interleave, medians, number
from ..peers import Peer

GROUPS = [f"group-{number}" for number in range(2_000)]
SHARES = [GROUPS[first : first + 100] for first in range(0, len(GROUPS), 100)]

#: What the sockets of a peer join, and the groups that are spoken to throughout.
JOINED = {"ours": SHARES, "raw": [share[-1:] for share in SHARES]}
PROBED = {"ours": GROUPS[49::50], "raw": [share[-1] for share in SHARES]}
EVERY = 0.05

#: Seconds after the broker's return after which what is not heard will not be.
PATIENCE = {"ours": 15.0, "raw": 5.0}

HAPPENS = {
    "restart": f"killed for {DOWN:g} s",
    "flush": "flushed",
    "pause": f"paused for {DOWN:g} s",
}


@dataclass(frozen=True)
class Pair:
    """Two processes of a peer."""

    peer: str
    speaker: Node
    listener: Node


@dataclass(frozen=True)
class Strike:
    """An outage of a layer's broker, and those who suffer it."""

    outage: str
    layer: str
    broker: Broker
    pairs: Sequence[Pair]

    @property
    def name(self) -> str:
        """What happens, in words."""
        return f"broker {HAPPENS[self.outage]}, {WORDS[self.layer]}"


@dataclass(frozen=True)
class Return:
    """Seconds until the first and until the last group was heard again; None: in vain."""

    first: float | None
    last: float | None
    #: Sockets that are still open.
    alive: int


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Seconds."""

    async def sample(strike: Strike) -> dict[str, Return]:
        return suffer(strike)

    names = [peer.name for peer in peers if peer.name in JOINED]
    with ExitStack() as stack:
        affected = {layer: stack.enter_context(cluster(layer, names)) for layer in LAYERS}
        strikes = [
            Strike(outage, layer, *affected[layer]) for outage in OUTAGES for layer in LAYERS
        ]
        samples = await interleave(strikes, plan.count(2, 1), sample)
    return [line for name, rounds in samples.items() for line in lines_of(name, rounds)]


@contextmanager
def cluster(layer: str, names: Sequence[str]) -> Iterator[tuple[Broker, list[Pair]]]:
    """A broker, and two processes of each peer."""
    with running() as broker, ExitStack() as stack:
        pairs = [
            Pair(
                name,
                stack.enter_context(node(Variant(name, layer), broker.url)),
                stack.enter_context(node(Variant(name, layer), broker.url)),
            )
            for name in names
        ]
        for pair in pairs:
            pair.speaker.ask("serve")
        yield broker, pairs


def suffer(strike: Strike) -> dict[str, Return]:
    """One outage: what becomes of each peer."""
    for pair in strike.pairs:
        # Of an outage raw's layer remembers dead connections, on which new consumers die in turn.
        attempts = 20 if pair.peer == "raw" else 1
        pair.listener.ask("gather", groups=JOINED[pair.peer], attempts=attempts)
        pair.listener.ask("forget", attentive=True)
        pair.speaker.ask("chatter", groups=PROBED[pair.peer], every=EVERY)
    time.sleep(0.5 + random.random())  # anywhere between two of the library's looks at the broker
    back = OUTAGES[strike.outage](strike.broker)
    returns = {pair.peer: await_return(pair, back) for pair in strike.pairs}
    for pair in strike.pairs:
        pair.speaker.ask("hush")
        if pair.peer == "ours":
            call_the_roll(pair)
    return returns


def await_return(pair: Pair, back: float) -> Return:
    """Wait until every probed group has heard something that was said after `back`."""
    wanted, end = len(PROBED[pair.peer]), back + PATIENCE[pair.peer]
    while True:
        heard: Mapping[str, list[list[float]]] = pair.listener.ask("heard", since=back)
        alive: int = pair.listener.ask("alive")
        if len(heard) == wanted or not alive or perf_counter() > end:
            break
        time.sleep(0.1)
    firsts = [times[0][1] - back for times in heard.values()]
    last = max(firsts) if len(firsts) == wanted else None
    return Return(min(firsts, default=None), last, alive)


def call_the_roll(pair: Pair) -> None:
    """See that really all groups hear what is said to them."""
    pair.listener.ask("forget", attentive=True)
    pair.speaker.ask("call", groups=GROUPS)
    began = perf_counter()
    while missing := len(GROUPS) - len(pair.listener.ask("heard")):
        if perf_counter() - began > PATIENCE[pair.peer]:
            raise RuntimeError(f"{missing} groups of {pair.speaker.variant.name} hear nothing")
        time.sleep(0.1)


def lines_of(name: str, rounds: Sequence[Mapping[str, Return]]) -> list[Line]:
    """Until the first group, and until the last of ours."""
    peers = rounds[0].keys()
    first = {peer: heard(one[peer].first for one in rounds) for peer in peers}
    last = {peer: heard(one[peer].last for one in rounds) for peer in peers if peer == "ours"}
    if any(len(times) < len(rounds) for times in last.values()):
        raise RuntimeError(f"{name}: ours is not back after {PATIENCE['ours']:g} s")
    notes = [
        fan_out(f"{name}, first group", "s", first),
        fan_out(f"{name}, last group", "s", last),
        *(fate(name, [one["raw"] for one in rounds]) for peer in peers if peer == "raw"),
    ]
    return [
        Line(f"{name}: first group heard again", "s", medians(first), notes=notes),
        Line(f"{name}: last of {len(GROUPS):,} groups", "s", medians(last), (at_most(3, "s"),)),
    ]


def heard(times: Iterable[float | None]) -> list[float]:
    """Those that there are."""
    return [one for one in times if one is not None]


def fate(name: str, rounds: Sequence[Return]) -> str:
    """A note: what becomes of raw's sockets."""
    alive = min(one.alive for one in rounds)
    lasts = heard(one.last for one in rounds)
    if not alive:
        again = "there is nobody to hear anything"
    elif len(lasts) < len(rounds):
        again = f"not all their groups are heard again within {PATIENCE['raw']:g} s"
    else:
        again = f"all their groups are heard again after {number(max(lasts))} s at the latest"
    return f"{name}: of raw's {len(SHARES)} sockets {alive} survive; {again}."
