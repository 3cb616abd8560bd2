"""chanx on Channels, used as in its documentation."""

import json
from typing import Literal

from chanx.channels.websocket import AsyncJsonWebsocketConsumer  # type: ignore[import-not-found]
from chanx.core.decorators import ws_handler  # type: ignore[import-not-found]
from chanx.messages.base import BaseMessage  # type: ignore[import-not-found]
from pydantic import BaseModel  # type: ignore[import-not-found,unused-ignore]

from ..frames import DATA
from .base import Peer


class Payload(BaseModel):  # type: ignore[misc,unused-ignore]
    """The data of the echo."""

    id: int
    text: str
    tags: list[str]
    at: float


class EchoMessage(BaseMessage):  # type: ignore[misc]
    """The client's frame."""

    action: Literal["echo"] = "echo"
    payload: Payload


class EchoReply(BaseMessage):  # type: ignore[misc]
    """The answer."""

    action: Literal["echo_reply"] = "echo_reply"
    payload: Payload


class Echo(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Answers with the same data."""

    authenticator_class = None
    send_completion = False
    log_messages = False

    @ws_handler(output_type=EchoReply)  # type: ignore[untyped-decorator]
    async def handle_echo(self, message: EchoMessage) -> EchoReply:
        """Answer with the same payload."""
        return EchoReply(payload=message.payload)


FRAMES = {"echo": json.dumps({"action": "echo", "payload": DATA})}
ANSWERS = {"echo": json.dumps({"action": "echo_reply", "payload": DATA})}

PEER = Peer(
    "chanx",
    {"echo": Echo.as_asgi()},
    frames=FRAMES,
    answers=ANSWERS,
    packages=("chanx", "pydantic"),
)
