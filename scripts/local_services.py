"""Print how to reach the databases and brokers that answer on this machine's standard ports.

Standard output is for `env`: DATABASE_URL=… REDIS_URL=…; standard error tells a person.
"""

import sys
from collections.abc import Callable

import psycopg
import redis

POSTGRESQL = "postgres://postgres@127.0.0.1:5432/test"
REDIS = "redis://127.0.0.1:6379/15"  # the last of its databases, least likely in use


def main() -> None:
    """Ask each service."""
    report("PostgreSQL", "DATABASE_URL", POSTGRESQL, ask_postgresql)
    report("Redis", "REDIS_URL", REDIS, ask_redis)


def report(service: str, variable: str, url: str, ask: Callable[[str], object]) -> None:
    """Print the assignment where the service answers, and for people whether it does."""
    try:
        ask(url)
    except (psycopg.Error, redis.RedisError) as error:
        reason = str(error).strip().splitlines()[0]
        print(f"{service}: none at {url} ({reason})", file=sys.stderr)
    else:
        print(f"{service}: {url}", file=sys.stderr)
        print(f"{variable}={url}")


def ask_postgresql(url: str) -> None:
    """Connect, which also proves the log-in."""
    psycopg.connect(url, connect_timeout=3).close()


def ask_redis(url: str) -> None:
    """Send a PING."""
    with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
        client.ping()


if __name__ == "__main__":
    main()
