"""The same rows in PostgreSQL, where one answers: a retrieve, and a saved row with 100 observers.

`DATABASE_URL` names the server. The default is the one on the standard port of this machine. A
database of its own is created for the case, and dropped. The CPU time is that of the process of the
peer, without the database server.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from scripts.local_services import POSTGRESQL

from ..configuration import DATABASE
from ..cpu import Workbench, line, started
from ..measuring import Line, Plan, line_of
from ..observing import SaveTiming
from ..peers import Peer

OBSERVERS = 100


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure both, or return a line that says why they were left out."""
    server = os.environ.get("DATABASE_URL", POSTGRESQL)
    names = [peer.name for peer in peers]
    try:
        psycopg.connect(server, connect_timeout=3).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        return [Line("PostgreSQL", "", {}, notes=[f"PostgreSQL was left out: {reason}"])]
    with database(server) as url:
        env = {DATABASE: url}
        with started("ours", env) as process:
            process.call("versions")  # it has created the tables
        with_rows = [name for name in names if name != "bare"]
        bench = Workbench("exchange", with_rows, {"application": "rows"}, env)
        return [
            line("PostgreSQL, action 'retrieve' with a ModelSerializer", bench, plan, ()),
            *saves(names, env, plan),
        ]


@contextmanager
def database(server: str) -> Iterator[str]:
    """Create a database during a `with` block, and yield its URL."""
    name = f"benchmarks_{os.getpid()}"
    execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        execute(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(server: str, statement: sql.Composed) -> None:
    """Run a statement outside of a transaction."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)


def saves(names: Sequence[str], env: dict[str, str], plan: Plan) -> list[Line]:
    """Return the milliseconds until the last of the observers of a saved row has the event."""
    timings: dict[str, list[SaveTiming]] = defaultdict(list)
    with ExitStack() as stack:
        processes = {name: stack.enter_context(started(name, env)) for name in names}
        for process in processes.values():
            process.call("subscribe", count=OBSERVERS)
        for _ in range(plan.count(15, 5)):
            for name, process in processes.items():
                timings[name].append(SaveTiming(*process.call("save")))
    delivered = {name: [1e3 * t.delivered for t in taken] for name, taken in timings.items()}
    queries = {name: [float(t.queries) for t in taken] for name, taken in timings.items()}
    case = f"PostgreSQL, a row is saved, {OBSERVERS} observers"
    return [
        line_of(f"{case}: until the last event", "ms", delivered),
        line_of(f"{case}: all SQL queries", "queries", queries),
    ]
