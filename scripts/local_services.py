"""Print the URLs of the database and the broker on the standard ports of this machine.

Standard output is for `env`: DATABASE_URL=… REDIS_URL=…. Standard error is for people.
"""

import sys
from collections.abc import Callable

import psycopg
import redis

POSTGRESQL = "postgres://postgres@127.0.0.1:5432/test"
REDIS = "redis://127.0.0.1:6379/15"  # the last of its databases is the least likely to be in use


def main() -> None:
    """Report each service."""
    report("PostgreSQL", "DATABASE_URL", POSTGRESQL, connect_postgresql)
    report("Redis", "REDIS_URL", REDIS, ping_redis)


def report(service: str, variable: str, url: str, connect: Callable[[str], object]) -> None:
    """Print whether the service answers, and the assignment if it does."""
    try:
        connect(url)
    except (psycopg.Error, redis.RedisError) as error:
        reason = str(error).strip().splitlines()[0]
        print(f"{service}: does not answer at {url} ({reason})", file=sys.stderr)
    else:
        print(f"{service}: {url}", file=sys.stderr)
        print(f"{variable}={url}")


def connect_postgresql(url: str) -> None:
    """Connect and log in."""
    psycopg.connect(url, connect_timeout=3).close()


def ping_redis(url: str) -> None:
    """Send a PING."""
    with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
        client.ping()


if __name__ == "__main__":
    main()
