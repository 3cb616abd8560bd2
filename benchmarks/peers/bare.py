"""Bare ASGI: the same by hand, with orjson, and nothing that a library would add."""

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

from ..cluster.environment import given
from ..database import retrieve, slow_query
from ..driver import Application, Message, Receive, Scope, Send

#: As many threads as the library uses unless told otherwise.
POOL = ThreadPoolExecutor(max_workers=32, thread_name_prefix="bare")

MEMBERS: set[Send] = set()

#: By primary key: whom to tell of a row, and how such a frame ends, with the id of the request.
WATCHERS: dict[int, list[tuple[Send, str]]] = {}

#: The connection to Redis, and the task that listens to it, once they are there.
OTHERS: list[Any] = []
NAME = os.urandom(8)


def text(content: Any) -> Message:
    """A frame of JSON."""
    return {"type": "websocket.send", "text": orjson.dumps(content).decode()}


def make(answer: Callable[[Any], Awaitable[Any]]) -> Application:
    """An application that accepts and answers each frame's method `wait` or `echo`."""

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
    """Parse, look at the method, render."""
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
    """Fifty types in a set, and fifty patterns one after another."""
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
    """Parse, look at the action, render."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        content = orjson.loads(message["text"])
        name, number = content["action"], content["request_id"]
        if name == "echo":
            said = {"errors": [], "data": content["data"], "action": name, "response_status": 200}
        else:
            said = {"errors": ["no"], "data": None, "action": name, "response_status": 405}
        await send(text({**said, "request_id": number}))


async def observer(scope: Scope, receive: Receive, send: Send) -> None:
    """Notes who wants to know of which row."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        content = orjson.loads(message["text"])
        number = content["request_id"]
        WATCHERS.setdefault(content["pk"], []).append((send, f"{number}}}"))
        said = {"errors": [], "data": None, "action": content["action"], "response_status": 201}
        await send(text({**said, "request_id": number}))


async def tell_of_row(pk: int) -> None:
    """Query and render once, one `send` for each who wants to know."""
    data = await asyncio.get_running_loop().run_in_executor(POOL, retrieve, pk)
    said = {"errors": [], "data": data, "action": "update", "response_status": 200}
    head = text({**said, "request_id": None})["text"].removesuffix("null}")
    for send, number in WATCHERS.get(pk, ()):
        await send({"type": "websocket.send", "text": head + number})


@contextmanager
def observing() -> Iterator[None]:
    """Signals are heard in its own turn only, see `raw`."""
    loop = asyncio.get_running_loop()

    def saved(instance: ContentType, **kwargs: Any) -> None:
        work = partial(asyncio.run_coroutine_threadsafe, tell_of_row(instance.pk), loop)
        transaction.on_commit(work)

    post_save.connect(saved, ContentType)
    try:
        yield
    finally:
        post_save.disconnect(saved, ContentType)


async def room(scope: Scope, receive: Receive, send: Send) -> None:
    """Parse and render once, then one `send` per member."""
    await receive()
    others = await hear_others()
    await send({"type": "websocket.accept"})
    MEMBERS.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            frame = text(orjson.loads(message["text"]))
            if others is not None:
                await others.publish("room", NAME + frame["text"].encode())
            await fan_out(frame)
    finally:
        MEMBERS.discard(send)


async def addressed(scope: Scope, receive: Receive, send: Send) -> None:
    """Only listens."""
    await receive()
    await send({"type": "websocket.accept"})
    MEMBERS.add(send)
    await receive()
    MEMBERS.discard(send)


async def tell(content: Any) -> None:
    """Render once, with the time, one `send` per member."""
    await fan_out(text({**content, "TIMESTAMP": str(time.time_ns() // 1_000_000)}))


async def fan_out(frame: Message) -> None:
    """To all who are here."""
    for member in tuple(MEMBERS):
        await member(frame)


async def hear_others() -> Any:
    """The way to other processes, where there is a Redis; what they say is heard from then on."""
    layer = given()
    if layer is None:
        return None
    if not OTHERS:
        from redis.asyncio import Redis

        OTHERS.append(Redis.from_url(layer["CONFIG"]["hosts"][0]))
        pubsub = OTHERS[0].pubsub()
        await pubsub.subscribe("room")
        OTHERS.append(asyncio.create_task(listen(pubsub)))
    return OTHERS[0]


async def listen(pubsub: Any) -> None:
    """Pass on what other processes say."""
    async for message in pubsub.listen():
        if message["type"] == "message" and not message["data"].startswith(NAME):
            said = message["data"][len(NAME) :].decode()
            await fan_out({"type": "websocket.send", "text": said})


async def sleep(seconds: float) -> float:
    """Block one of the threads."""
    await asyncio.get_running_loop().run_in_executor(POOL, time.sleep, seconds)
    return seconds


async def query(seconds: float) -> float:
    """The same query, in one of the threads."""
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
