"""Answers the frames of client libraries: `{"$ping": n}` and `{"$resume": …}`.

They are answered when they are read, before the frames that wait for the handler.
"""

from typing import Any

import orjson

from ..protocol.asgi_messages import frame_message
from ..protocol.messages import Event, encoded_size, utf8_size
from ..protocol.recovery_frames import LATER, read_resume, resumed_frame

__all__ = ["CONTROL_SIZE", "answer_control_frame"]

CONTROL_SIZE = 1024
"""Bytes; a control frame is shorter."""

PING_SIZE = 64
"""Bytes; a `$ping` is shorter."""


def answer_control_frame(connection: Any, text: str) -> bool:
    """Answer `text` if it is a control frame of a `Connection`. Return whether it is one."""
    if len(text) < PING_SIZE and (pong := _pong(text)) is not None:
        if not connection.outbox.put_if_room(frame_message(pong, None), utf8_size(pong)):
            connection.close_slow_client()
        return True
    if '"$resume"' not in text or (asked := read_resume(text)) is None:
        return False
    if connection.missed is None:
        connection.hub.recovery.resume(connection, asked)
    else:  # its token has expired
        later = resumed_frame(dict.fromkeys(asked, LATER))
        connection.send_rendered(Event("", None, later, None, encoded_size(later)))
    return True


def _pong(text: str) -> str | None:
    """Return the answer to a `$ping`: `{"$pong": n}`. Return `None` for another frame."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or content.keys() != {"$ping"}:
        return None
    return orjson.dumps({"$pong": content["$ping"]}).decode()
