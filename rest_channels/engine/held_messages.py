"""The frames of messages that one connection holds, and what they wait for.

Messages that a call causes for its own client are sent after the reply of the call. As soon as the
call publishes such a message, the connection holds the frames of all messages until the call has
ended. The handlers of these messages still run at once, because the call may wait for one of them.

While the user, session or token of the connection is read again, because a change was signalled,
the frames of messages are held, too: the client may have lost the right to them. If the check
closes the connection, they are dropped. Messages for the handler wait in its queue.

Frames that the call itself sends to its client are not messages. Those of a view keep their order
with the messages that are held. Those of a consumer are sent first, as its replies are.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.serial_queue import SerialQueue
from ..exceptions import CloseCode
from ..protocol.asgi_messages import Message, UnlessRefused, close_message
from .handler import State
from .outbox import Outbox

__all__ = ["Holding"]

CHECK_TIME = 1.0
"""Seconds for which a handler waits for a check if there is no room for what it sends."""


@dataclass(eq=False, repr=False, slots=True)
class HeldMessages:
    """Frames that wait for the end of the running call, for checks of the identity, or for both.

    A frame waits only for checks that were requested before it came. Otherwise a client whose user
    is saved again and again would receive nothing.
    """

    frames: list[tuple[Message, int]] = field(default_factory=list)
    for_call: bool = False
    """Whether all of them wait for the end of the running call."""
    has_close: bool = False
    """Whether the last of them closes the connection, so that no other follows."""
    _checked: int = 0  # how many of the first wait for no check
    _before_last: int = 0  # how many of the first do not wait for the check that was asked for last

    def begin_check(self, *, is_first: bool) -> None:
        """Let frames that come from now on wait for another check. `is_first`: none is pending."""
        self._before_last = len(self.frames)
        if is_first:
            self._checked = len(self.frames)

    def end_check(self, *, is_last: bool) -> None:
        """Note that a check has ended: the last one, or the one before it."""
        self._checked = len(self.frames) if is_last else self._before_last

    @property
    def must_close(self) -> bool:
        """Whether a close among them waits for no check. It does not wait for the call, either."""
        return self.has_close and self._checked == len(self.frames)

    def take_checked(self) -> list[tuple[Message, int]]:
        """Remove and return the frames that wait for no check."""
        number, self._checked = self._checked, 0
        taken, self.frames = self.frames[:number], self.frames[number:]
        self._before_last -= number
        return taken

    def drop_unchecked(self) -> int:
        """Remove the frames that wait for a check. Return their number of bytes, or 0."""
        dropped = self.frames[self._checked :]
        del self.frames[self._checked :]
        self._before_last = len(self.frames)
        self.has_close = self.has_close and not dropped
        return sum(size for _message, size in dropped)


class Holding:
    """The part of a `Connection` that holds the frames of messages."""

    loop_bridge: LoopBridge
    outbox: Outbox
    call_queue: SerialQueue[Any]
    identity_check: asyncio.Future[None] | None
    """What its next event waits for: the session, user or token is being read again."""
    needs_queue: bool
    """Whether rendered messages are passed to `deliver`: for the handler, or to be held."""

    def __init__(self) -> None:
        self.state = State.CONNECTING
        self.is_connected = False  # whether `connect` has ended, and has let the client in
        self.held: HeldMessages | None = None

    def update_needs_queue(self) -> None:
        raise NotImplementedError

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        raise NotImplementedError

    @property
    def is_answering(self) -> bool:
        """Whether a frame is being handled, whose reply may have to come first."""
        return self.is_connected and self.call_queue.busy

    def hold(self) -> None:
        """Hold the frames of messages until the running call ends. Call this in any thread."""
        if not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.hold)  # before the thread sends anything else
        elif self.is_answering and not (held := self._hold()).for_call:
            held.for_call = True
            self.call_queue.call_after_item(self.release)

    def _hold(self) -> HeldMessages:
        if self.held is None:
            self.held = HeldMessages()
            self.update_needs_queue()
        return self.held

    def release(self) -> None:
        """Hold nothing for the running call any more."""
        if self.held is not None:
            self.held.for_call = False
            self._send_held()

    def begin_check(self, check: asyncio.Future[None]) -> None:
        """Let the next event wait for `check`, and hold the frames of messages until `end_check`.

        There may be two at a time: one that runs, and one that begins after it.
        """
        if self.identity_check is not check:
            if self.state <= State.OPEN:
                self._hold().begin_check(is_first=self.identity_check is None)
            self.identity_check = check

    def end_check(self, check: asyncio.Future[None]) -> None:
        """Send the frames that waited for `check`: what has changed is known and was applied."""
        is_last = self.identity_check is check
        if is_last:
            self.identity_check = None
        if self.held is not None:
            self.held.end_check(is_last=is_last)
        self._send_held()

    def _send_held(self) -> None:
        if (held := self.held) is None or (held.for_call and not held.must_close):
            return
        if self.identity_check is None:
            self.held = None
            self.update_needs_queue()
        frames = held.frames if self.held is None else held.take_checked()
        code = _pop_close(frames)
        if frames and self.state is State.CONNECTING:
            frames = [UnlessRefused(each) for each in frames]
        self.outbox.put_counted(frames)
        if code is not None:
            self.close(code)

    def drop_unchecked(self) -> bool:
        """Drop the frames that wait for a check. Return whether there were some with content."""
        if self.held is None or self.identity_check is None:
            return False
        size = self.held.drop_unchecked()
        self.outbox.size -= size
        return size > 0

    def close_after_check(self, code: int) -> bool:
        """Close as a message says, after those before it. Return whether this waits for a check."""
        if self.held is None or self.identity_check is None:
            return False
        if not self.held.has_close:
            self.held.frames.append((close_message(code, ""), 0))
            self.held.has_close = True
        return True

    def end_holding(self) -> None:
        """Send what was held for the call. Drop what waits for a check: the connection closes."""
        if (held := self.held) is None:
            return
        self.held = None
        self.update_needs_queue()
        frames = held.frames if self.identity_check is None else held.take_checked()
        if frames is not held.frames:
            self.outbox.size -= sum(size for _message, size in held.frames)
        _pop_close(frames)
        self.outbox.put_counted(frames)

    def send_if_released(self, message: Message, size: int) -> Sent:
        """Send a frame of a handler of messages, or hold it."""
        if self._put_if_room(message, size):
            return DONE
        if self.held is not None and not self.outbox.closed:  # a check is pending
            sent = self.outbox.note_overflow()
            self.outbox.size += size
            self.held.frames.append((message, size))  # its turn comes after the others
            return Sent(partial(self._wait_for_check, sent))
        sent = self.outbox.put(message, size)
        self._mark_while_connecting()
        return sent

    async def _wait_for_check(self, sent: Sent) -> None:
        """Wait for the pending check, hold nothing for the call any more, and wait for `sent`.

        A `def` may wait here in the thread that the check needs. So this takes a while at most.
        """
        if self.identity_check is not None:
            await asyncio.wait({self.identity_check}, timeout=CHECK_TIME)
        self.release()
        await sent

    def _put_if_room(self, message: Message, size: int) -> bool:
        """Hold a frame, or queue it. Return whether there was room.

        Without room, hold nothing for the call any more, unless a check is pending. Drop what
        follows a close.
        """
        if self.held is not None:
            if self.held.has_close:
                return True
            if self.outbox.count_if_room(size):
                self.held.frames.append((message, size))
                return True
            if self.identity_check is not None:
                return False
            self.release()
        if not self.outbox.put_if_room(message, size):
            return False
        self._mark_while_connecting()
        return True

    def _mark_while_connecting(self) -> None:
        """Let the message that was queued last reach no client that `connect` refuses."""
        if self.state is State.CONNECTING:
            self.outbox.mark_last()


def _pop_close(frames: list[tuple[Message, int]]) -> int | None:
    """Remove a close from the end of `frames`. Return its code."""
    if frames and frames[-1][0]["type"] == "websocket.close":
        return int(frames.pop()[0]["code"])
    return None
