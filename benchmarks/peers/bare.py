"""Plain ASGI with orjson, without anything that a library would add."""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.signals import post_save

from ..cluster.environment import layer_from_environment
from ..database import retrieve, slow_query
from ..driver import Application, Message, Receive, Scope, Send
from .base import Peer, SendJSON

#: The library has as many threads by default.
POOL = ThreadPoolExecutor(max_workers=32, thread_name_prefix="bare")

MEMBERS: set[Send] = set()

#: Primary key of a row → subscribers, each with the end of its frames: the request_id.
SUBSCRIBERS: dict[int, list[tuple[Send, str]]] = {}

#: The connection to Redis, and the task that receives from it, once they exist.
REDIS: list[Any] = []
#: Marks the messages of this process.
PROCESS_ID = os.urandom(8)


def text(content: Any) -> Message:
    """Return `content` as a JSON frame."""
    return {"type": "websocket.send", "text": orjson.dumps(content).decode()}


def make(answer: Callable[[Any], Awaitable[Any]]) -> Application:
    """Return an application that answers frames with the method `wait` or `echo`."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            content = orjson.loads(message["text"])
            if content["method"] in ("echo", "wait"):
                data = await answer(content["data"])
                await send(text({"method": content["method"], "data": data, "status": 200}))
            else:
                await send(text({"method": content["method"], "data": None, "status": 405}))

    return application


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Parse, compare the method, and render."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        content = orjson.loads(message["text"])
        if content["method"] == "echo":
            await send(text({"method": "echo", "data": content["data"], "status": 200}))
        else:
            await send(text({"method": content["method"], "data": None, "status": 405}))


TYPES = {f"TYPE_{number}" for number in range(50)}
PATTERNS = [re.compile(f"GAME_{number}_.+") for number in range(50)]


async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
    """Look for a type in a set, and then test fifty patterns."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        content = orjson.loads(message["text"])
        name = content["type"]
        if name in TYPES or any(pattern.match(name) for pattern in PATTERNS):
            await send(text({**content, "TIMESTAMP": str(time.time_ns() // 1_000_000)}))
        else:
            await send(text({"type": "ERROR"}))


async def actions(scope: Scope, receive: Receive, send: Send) -> None:
    """Parse, compare the action, and render."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        content = orjson.loads(message["text"])
        name, request_id = content["action"], content["request_id"]
        if name == "echo":
            reply = {"errors": [], "data": content["data"], "action": name, "response_status": 200}
        else:
            reply = {"errors": ["no"], "data": None, "action": name, "response_status": 405}
        await send(text({**reply, "request_id": request_id}))


async def observer(scope: Scope, receive: Receive, send: Send) -> None:
    """Add the client to the subscribers of a row."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        content = orjson.loads(message["text"])
        request_id = content["request_id"]
        SUBSCRIBERS.setdefault(content["pk"], []).append((send, f"{request_id}}}"))
        reply = {"errors": [], "data": None, "action": content["action"], "response_status": 201}
        await send(text({**reply, "request_id": request_id}))


async def notify_subscribers(pk: int) -> None:
    """Query and render once, then call `send` for each subscriber."""
    data = await asyncio.get_running_loop().run_in_executor(POOL, retrieve, pk)
    reply = {"errors": [], "data": data, "action": "update", "response_status": 200}
    head = text({**reply, "request_id": None})["text"].removesuffix("null}")
    for send, end in SUBSCRIBERS.get(pk, ()):
        await send({"type": "websocket.send", "text": head + end})


@contextmanager
def observing() -> Iterator[None]:
    """Connect the receiver only during own samples, as in `raw`."""
    loop = asyncio.get_running_loop()

    def on_save(instance: ContentType, **kwargs: Any) -> None:
        work = partial(asyncio.run_coroutine_threadsafe, notify_subscribers(instance.pk), loop)
        transaction.on_commit(work)

    post_save.connect(on_save, ContentType)
    try:
        yield
    finally:
        post_save.disconnect(on_save, ContentType)


async def room(scope: Scope, receive: Receive, send: Send) -> None:
    """Parse and render once, then call `send` for each member."""
    await receive()
    redis = await connect_to_redis()
    await send({"type": "websocket.accept"})
    MEMBERS.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            frame = text(orjson.loads(message["text"]))
            if redis is not None:
                await redis.publish("room", PROCESS_ID + frame["text"].encode())
            await fan_out(frame)
    finally:
        MEMBERS.discard(send)


async def addressed(scope: Scope, receive: Receive, send: Send) -> None:
    """Only receive."""
    await receive()
    await send({"type": "websocket.accept"})
    MEMBERS.add(send)
    await receive()
    MEMBERS.discard(send)


async def send_to_all(content: Any) -> None:
    """Render once with a timestamp, then call `send` for each member."""
    await fan_out(text({**content, "TIMESTAMP": str(time.time_ns() // 1_000_000)}))


async def find_addresses() -> SendJSON:
    """Return the function that sends to all members."""
    return send_to_all


async def fan_out(frame: Message) -> None:
    """Send a frame to all members of this process."""
    for member in tuple(MEMBERS):
        await member(frame)


async def connect_to_redis() -> Any:
    """Return the connection to Redis, if any, and start receiving messages of other processes."""
    layer = layer_from_environment()
    if layer is None:
        return None
    if not REDIS:
        from redis.asyncio import Redis

        REDIS.append(Redis.from_url(layer["CONFIG"]["hosts"][0]))
        pubsub = REDIS[0].pubsub()
        await pubsub.subscribe("room")
        REDIS.append(asyncio.create_task(forward(pubsub)))
    return REDIS[0]


async def forward(pubsub: Any) -> None:
    """Send messages of other processes to the members."""
    async for message in pubsub.listen():
        if message["type"] == "message" and not message["data"].startswith(PROCESS_ID):
            frame = message["data"][len(PROCESS_ID) :].decode()
            await fan_out({"type": "websocket.send", "text": frame})


async def sleep(seconds: float) -> float:
    """Block a thread of the pool."""
    await asyncio.get_running_loop().run_in_executor(POOL, time.sleep, seconds)
    return seconds


async def query(seconds: float) -> float:
    """Run the slow query in a thread of the pool."""
    return await asyncio.get_running_loop().run_in_executor(POOL, slow_query, seconds)


APPLICATIONS = {
    "echo": echo,
    "room": room,
    "dispatch": dispatch,
    "actions": actions,
    "addressed": addressed,
    "observer": observer,
    "blocking": make(sleep),
    "awaiting": make(sleep),
    "querying": make(query),
}

PEER = Peer("bare", APPLICATIONS, find_addresses=find_addresses, observing=observing)
