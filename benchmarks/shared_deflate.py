"""A prototype: uvicorn compresses a broadcast once, and not once for each member.

permessage-deflate normally refers to what was sent before, so the compressed bytes differ between
members. With `server_no_context_takeover` (RFC 7692, 7.1.1.1) each frame stands alone: equal frames
have equal bytes, and the last compressed frame is kept for the next members.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame


class SharedDeflate(PerMessageDeflate):
    """Compresses equal frames once, for all connections with the same window."""

    last: tuple[Any, Frame] = (None, Frame(0, b""))  # type: ignore[arg-type]

    def encode(self, frame: Frame) -> Frame:
        """Return the compressed frame."""
        key = (self.local_max_window_bits, frame.opcode, frame.fin, frame.data)
        if SharedDeflate.last[0] != key:
            SharedDeflate.last = (key, super().encode(frame))
        return SharedDeflate.last[1]


class Factory(ServerPerMessageDeflateFactory):
    """Negotiates compression without context, for `SharedDeflate`."""

    def __init__(self) -> None:
        super().__init__(
            server_no_context_takeover=True,
            server_max_window_bits=12,
            client_max_window_bits=12,
            compress_settings={"memLevel": 5},
        )

    def process_request_params(
        self, params: Any, accepted_extensions: Any
    ) -> tuple[Any, PerMessageDeflate]:
        """Return the answer to the client's offer, and the extension of the connection."""
        answer, extension = super().process_request_params(params, accepted_extensions)
        shared = SharedDeflate(
            extension.remote_no_context_takeover,
            extension.local_no_context_takeover,
            extension.remote_max_window_bits,
            extension.local_max_window_bits,
            extension.compress_settings,
        )
        return answer, shared


class Protocol(WebSocketsSansIOProtocol):
    """For `uvicorn --ws benchmarks.shared_deflate:Protocol`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.config.ws_per_message_deflate:
            self.conn.available_extensions = [Factory()]
