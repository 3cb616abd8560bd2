"""How long processes take to reach each other again after an outage of the broker.

Each layer has a broker and two processes. One sends, the other has 20 sockets in 100 groups each.
The broker is killed and started empty after three seconds, or is flushed, or is paused for three
seconds. All the time, every 50th group is sent a message twenty times per second. Only messages
sent after the broker's return count. In the end every group must receive one message.

Raw Channels has 20 sockets in one group each, which only receive. Errors of sending are ignored.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter

from ..cluster.broker import DOWN, OUTAGES, Broker, running
from ..cluster.nodes import LABELS, LAYERS, Variant, node, range_note
from ..measuring import Line, Plan, at_most, interleave, line_of, number
from ..peers import Peer
from ..processes import Process

GROUPS = [f"group-{number}" for number in range(2_000)]
SHARES = [GROUPS[first : first + 100] for first in range(0, len(GROUPS), 100)]

#: The groups that the sockets of a peer join, and those that are sent messages all the time.
JOINED = {"ours": SHARES, "raw": [share[-1:] for share in SHARES]}
PROBED = {"ours": GROUPS[49::50], "raw": [share[-1] for share in SHARES]}
#: Seconds between two messages to a group.
EVERY = 0.05

#: The most seconds to wait for messages after the broker's return.
TIMEOUT = {"ours": 15.0, "raw": 5.0}

OUTAGE_LABELS = {
    "restart": f"killed for {DOWN:g} s",
    "flush": "flushed",
    "pause": f"paused for {DOWN:g} s",
}


@dataclass(frozen=True)
class Pair:
    """The two processes of a peer."""

    peer: str
    sender: Process
    receiver: Process


@dataclass(frozen=True)
class Trial:
    """One kind of outage of a broker, and the processes that use it."""

    outage: str
    layer: str
    broker: Broker
    pairs: Sequence[Pair]

    @property
    def name(self) -> str:
        """The label of the outage."""
        return f"broker {OUTAGE_LABELS[self.outage]}, {LABELS[self.layer]}"


@dataclass(frozen=True)
class Recovery:
    """Seconds until the first and the last group received a message; None if never."""

    first: float | None
    last: float | None
    #: How many sockets are still open.
    open_count: int


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure seconds until recovery."""

    async def sample(trial: Trial) -> dict[str, Recovery]:
        return run_outage(trial)

    names = [peer.name for peer in peers if peer.name in JOINED]
    with ExitStack() as stack:
        clusters = {layer: stack.enter_context(cluster(layer, names)) for layer in LAYERS}
        trials = [Trial(outage, layer, *clusters[layer]) for outage in OUTAGES for layer in LAYERS]
        samples = await interleave(trials, plan.count(2, 1), sample)
    return [line for name, rounds in samples.items() for line in lines_of(name, rounds)]


@contextmanager
def cluster(layer: str, names: Sequence[str]) -> Iterator[tuple[Broker, list[Pair]]]:
    """Run a broker and two processes of each peer during a `with` block."""
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
            pair.sender.call("open_sender")
        yield broker, pairs


def run_outage(trial: Trial) -> dict[str, Recovery]:
    """Cause one outage, and return the recovery of each peer."""
    for pair in trial.pairs:
        # After an outage the layer of raw still has dead connections, on which new consumers fail.
        attempts = 20 if pair.peer == "raw" else 1
        pair.receiver.call("join_groups", groups=JOINED[pair.peer], attempts=attempts)
        pair.receiver.call("reset", record_times=True)
        pair.sender.call("start_sending", groups=PROBED[pair.peer], every=EVERY)
    time.sleep(0.5 + random.random())  # at a random time between two of the library's checks
    returned = OUTAGES[trial.outage](trial.broker)
    recoveries = {pair.peer: await_recovery(pair, returned) for pair in trial.pairs}
    for pair in trial.pairs:
        pair.sender.call("stop_sending")
        if pair.peer == "ours":
            check_all_groups(pair)
    return recoveries


def await_recovery(pair: Pair, returned: float) -> Recovery:
    """Wait until every probed group has received a message sent after the broker returned."""
    expected, end = len(PROBED[pair.peer]), returned + TIMEOUT[pair.peer]
    while True:
        times: dict[str, list[list[float]]] = pair.receiver.call("received_times", since=returned)
        open_count: int = pair.receiver.call("open_count")
        if len(times) == expected or not open_count or perf_counter() > end:
            break
        time.sleep(0.1)
    firsts = [pairs[0][1] - returned for pairs in times.values()]
    last = max(firsts) if len(firsts) == expected else None
    return Recovery(min(firsts, default=None), last, open_count)


def check_all_groups(pair: Pair) -> None:
    """Check that every group receives a message."""
    pair.receiver.call("reset", record_times=True)
    pair.sender.call("send_once", groups=GROUPS)
    start = perf_counter()
    while missing := len(GROUPS) - len(pair.receiver.call("received_times")):
        if perf_counter() - start > TIMEOUT[pair.peer]:
            raise RuntimeError(f"{missing} groups of {pair.sender.name} receive nothing")
        time.sleep(0.1)


def lines_of(name: str, rounds: Sequence[Mapping[str, Recovery]]) -> list[Line]:
    """Return the seconds until the first group, and until the last group of ours."""
    peers = rounds[0].keys()
    first = {peer: not_none(r[peer].first for r in rounds) for peer in peers}
    last = {peer: not_none(r[peer].last for r in rounds) for peer in peers if peer == "ours"}
    if any(len(times) < len(rounds) for times in last.values()):
        raise RuntimeError(f"{name}: ours has not recovered after {TIMEOUT['ours']:g} s")
    notes = [
        range_note(f"{name}, first group", "s", first),
        range_note(f"{name}, last group", "s", last),
        *(raw_note(name, [r["raw"] for r in rounds]) for peer in peers if peer == "raw"),
    ]
    all_groups = f"{name}: until the last of {len(GROUPS):,} groups receives"
    return [
        line_of(f"{name}: until the first group receives", "s", first, notes=notes),
        line_of(all_groups, "s", last, (at_most(3, "s"),)),
    ]


def not_none(times: Iterable[float | None]) -> list[float]:
    """Return the times without None."""
    return [time for time in times if time is not None]


def raw_note(name: str, rounds: Sequence[Recovery]) -> str:
    """Return a note: how many sockets of raw survive, and when they receive again."""
    open_count = min(recovery.open_count for recovery in rounds)
    lasts = not_none(recovery.last for recovery in rounds)
    if not open_count:
        result = "none receives messages again"
    elif len(lasts) < len(rounds):
        result = f"not all their groups receive messages again within {TIMEOUT['raw']:g} s"
    else:
        result = f"all their groups receive messages again after at most {number(max(lasts))} s"
    return f"{name}: of raw's {len(SHARES)} sockets {open_count} survive; {result}."
