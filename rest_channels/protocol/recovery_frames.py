"""The frames with which clients that were away get what they missed. Each has a key with `$`.

    ← {"$joined": {"k3f9a1qz": ["epoch", 45]}}      the position of a group, after a join
    ← {"$at": "k3f9a1qz.46", …}                     a message of the group, with its offset
    ← {"$at": "k3f9a1qz.47", "$skip": true}         one that has nothing for this client
    → {"$resume": {"k3f9a1qz": ["epoch", 41]}}      what the client has
    ← {"$resumed": {"k3f9a1qz": "ok"}}              or "more", "gap", "later"
    ← {"$left": ["k3f9a1qz"]}                       no message of the group follows

A group has the same tag for all clients, so that its messages are rendered once. Only a group of an
observer has a tag for each `request_id`, because each request of a client receives its changes. A
tag does not reveal the name of the group. Clients that do not know these keys ignore them.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache

import orjson
from django.conf import settings
from django.utils.crypto import salted_hmac

from .messages import Position

__all__ = [
    "GAP",
    "LATER",
    "MORE",
    "OK",
    "joined_frame",
    "left_frame",
    "read_resume",
    "resumed_frame",
    "skip_frame",
    "tag_of",
    "with_position",
]

OK, MORE, GAP, LATER = "ok", "more", "gap", "later"

MAX_TAGS = 16
"""Groups that one `$resume` may name."""


def tag_of(group: str) -> str:
    """Return the tag of `group`, the name of a group in the channel layer: 8 characters."""
    return _tag(group, settings.SECRET_KEY)


@lru_cache(maxsize=10_000)
def _tag(group: str, key: str | bytes) -> str:
    digest = salted_hmac("rest_channels.history", group, key, algorithm="sha256").digest()
    return urlsafe_b64encode(digest[:6]).decode()


def with_position(text: str, tag: str, offset: int) -> str:
    """Return the frame `text` with the position of its message."""
    at = f'{{"$at":"{tag}.{offset}",'
    if not text.startswith("{"):
        return f'{at}"$data":{_json(text)}}}'
    rest = text[1:].lstrip()
    return f"{at[:-1]}}}" if rest == "}" else at + rest


def _json(text: str) -> str:
    """Return `text` if it is JSON, else the JSON string that has it: a renderer may write XML."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.dumps(text)  # in ASCII: it may have surrogates, which orjson refuses
    return text


def joined_frame(tag: str, position: Position) -> str:
    """Return the frame with the position of a group."""
    return orjson.dumps({"$joined": {tag: [*position]}}).decode()


def left_frame(tag: str) -> str:
    """Return the frame that says that no message of a group follows."""
    return orjson.dumps({"$left": [tag]}).decode()


def skip_frame(tag: str, offset: int) -> str:
    """Return the frame for a message that has nothing for this client."""
    return with_position('{"$skip":true}', tag, offset)


def resumed_frame(results: Mapping[str, str]) -> str:
    """Return the answer to a `$resume`: tag → `OK`, `MORE`, `GAP` or `LATER`."""
    return orjson.dumps({"$resumed": results}).decode()


def read_resume(text: str) -> dict[str, tuple[str, int]] | None:
    """Return what a client has, by tag, or `None` if `text` is no `$resume` of the right form."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or content.keys() != {"$resume"}:
        return None
    asked = content["$resume"]
    if not isinstance(asked, dict) or len(asked) > MAX_TAGS:
        return None
    found = {}
    for tag, position in asked.items():
        match position:
            case [str(epoch), int(offset)] if not isinstance(offset, bool):
                found[tag] = (epoch, offset)
            case _:
                return None
    return found
