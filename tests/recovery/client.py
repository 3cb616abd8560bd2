"""A model of the client library, for recovery: what it does with frames, and what it asks for."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

MAX_HELD = 1_000
MAX_HELD_BYTES = 1024 * 1024
ASK_AGAIN = 0.1


class Tag:
    """What the client knows of one group.

    Attributes:
        log: What its handlers saw: `("message", epoch, offset, text)`, `("gap", missed)`, and
            `("plain", text)` for a message without an offset.
    """

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.past: list[str | None] = []
        self.is_ended = False  # this connection is in one of the past epochs
        self.offset = 0
        self.joined = ("", 0)
        self.held: dict[int, str] = {}
        self.held_bytes = 0
        self.is_asking = False
        self.has_news = False
        self.log: list[tuple[Any, ...]] = []
        self.asked = 0

    def drop_held(self) -> None:
        self.held.clear()
        self.held_bytes = 0


class Client:
    """Keeps its positions over all its connections.

    Args:
        random_: Chooses how long to wait after "later".
        later: Seconds, the least and the most, to wait after "later".
    """

    holds = True

    def __init__(self, random_: random.Random, later: tuple[float, float] = (0.2, 1.0)) -> None:
        self.tags: dict[str, Tag] = {}
        self.send: Callable[[str], None] | None = None
        """Sends a frame to the server; `None` without a connection."""
        self._random = random_
        self._later = later
        self._timers: set[asyncio.TimerHandle] = set()
        self._loop = asyncio.get_running_loop()

    def connect(self, send: Callable[[str], None], hub: object = None) -> None:
        self.send = send
        for tag in self.tags.values():
            tag.is_asking = tag.is_ended = False
            tag.log.append(("connect", hub))

    def disconnect(self) -> None:
        self.send = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for tag in self.tags.values():
            tag.drop_held()
            tag.is_asking = False

    def receive(self, text: str) -> None:
        frame = json.loads(text)
        if "$joined" in frame:
            for name, (epoch, offset) in frame["$joined"].items():
                self._joined(name, epoch, offset)
        elif "$resumed" in frame:
            for name, result in frame["$resumed"].items():
                self._resumed(name, result)
        elif "$at" in frame:
            name, _, offset = frame.pop("$at").rpartition(".")
            content = frame.get("$data", frame)
            self._message(name, int(offset), json.dumps(content))
        else:
            self.plain(frame)

    def plain(self, frame: Any) -> None:
        """Handle a message without an offset."""

    def _joined(self, name: str, epoch: str, offset: int) -> None:
        tag = self.tags.setdefault(name, Tag())
        tag.is_ended = epoch in tag.past
        if tag.is_ended:
            return
        tag.joined = epoch, offset
        if tag.epoch is None:
            tag.epoch, tag.offset = epoch, offset
            tag.log.append(("begin", epoch, offset))
        elif tag.epoch != epoch:
            tag.drop_held()
            tag.past.append(tag.epoch)
            tag.epoch, tag.offset = epoch, offset
            tag.log.append(("gap", None, epoch, offset))
        elif offset > tag.offset:
            self._ask(name, tag)

    def _message(self, name: str, offset: int, text: str) -> None:
        tag = self.tags[name]
        if tag.is_ended:
            return
        assert tag.epoch is not None, "A message with an offset before $joined"
        if offset <= tag.offset:
            return
        if offset == tag.offset + 1 or not self.holds:
            self._handle(tag, offset, text)
            self._handle_held(name, tag)
            return
        if len(tag.held) >= MAX_HELD or tag.held_bytes + len(text) > MAX_HELD_BYTES:
            tag.drop_held()
        elif offset not in tag.held:
            tag.held[offset] = text
            tag.held_bytes += len(text)
        self._ask(name, tag)

    def _handle(self, tag: Tag, offset: int, text: str) -> None:
        tag.offset = offset
        tag.log.append(("message", tag.epoch, offset, text))

    def _handle_held(self, name: str, tag: Tag) -> None:
        while (text := tag.held.pop(tag.offset + 1, None)) is not None:
            tag.held_bytes -= len(text)
            self._handle(tag, tag.offset + 1, text)
        for offset in [each for each in tag.held if each <= tag.offset]:
            tag.held_bytes -= len(tag.held.pop(offset))
        if tag.held:
            self._ask(name, tag)

    def _ask(self, name: str, tag: Tag) -> None:
        if tag.is_asking:
            return
        if self.send is not None:
            tag.is_asking = True
            tag.asked += 1
            self.send(json.dumps({"$resume": {name: [tag.epoch, tag.offset]}}))

    def _ask_after(self, name: str, tag: Tag, seconds: float) -> None:
        def ask() -> None:
            self._timers.discard(timer)
            tag.is_asking = False
            if tag.held or tag.joined[0] != tag.epoch or tag.joined[1] > tag.offset:
                self._ask(name, tag)

        tag.is_asking = True
        timer = self._loop.call_later(seconds, ask)
        self._timers.add(timer)

    def _resumed(self, name: str, result: str) -> None:
        tag = self.tags[name]
        if not tag.is_asking:
            return
        tag.is_asking = False
        if result == "more":
            self._ask(name, tag)
        elif result == "later":
            self._ask_after(name, tag, self._random.uniform(*self._later))
        elif result == "gap":
            epoch, offset = tag.joined
            missed = offset - tag.offset if epoch == tag.epoch else None
            tag.epoch, tag.offset = epoch, offset
            tag.log.append(("gap", missed, epoch, offset))
            self._handle_held(name, tag)
        elif tag.held or tag.joined[1] > tag.offset:
            self._ask_after(name, tag, ASK_AGAIN)
