"""The frames of clients, and their answers."""

import json
from typing import Any

DATA = {"id": 1, "text": "The quick brown fox", "tags": ["a", "b"], "at": 1.5}

#: The frames of the applications, unless a peer has a protocol of its own.
FRAMES: dict[str, Any] = {
    "echo": {"method": "echo", "data": DATA},
    "noop": {"method": "echo", "data": DATA},
    "actions": {"action": "echo", "request_id": 1, "data": DATA},
    "dispatch": {"type": "TYPE_25", "x": 1},
    "patterns": {"type": "GAME_25_MOVE", "x": 1},
    "rows": {"action": "retrieve", "request_id": 1},
}


def is_correct(name: str, text: str) -> bool:
    """Return whether `text` answers the frame of the application `name`."""
    answer = json.loads(text)
    if name in ("echo", "noop"):
        return bool(answer == {"method": "echo", "data": DATA, "status": 200})
    if name in ("actions", "rows"):
        return not answer["errors"] and answer["response_status"] == 200
    return answer.pop("TIMESTAMP") is not None and answer == FRAMES[name]
