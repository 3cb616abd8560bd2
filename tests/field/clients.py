"""Clients that do not read."""

import asyncio

from rest_channels.testing import SocketCommunicator


class StalledClient(SocketCommunicator):
    """A client that accepts nothing of the server after the handshake until `read()` is called."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._reads = asyncio.Event()
        self._reads_one = False
        put = self._from_application.put

        async def put_when_read(message):
            if message["type"] != "websocket.accept":
                await self._reads.wait()
                if self._reads_one:
                    self.stall()
            await put(message)

        self._from_application.put = put_when_read

    def read(self):
        """Read from now on."""
        self._reads_one = False
        self._reads.set()

    async def read_one(self):
        """Read the next frame, and then nothing more. Return it."""
        self._reads_one = True
        self._reads.set()
        return await self.receive_json()

    def stall(self):
        """Read nothing more."""
        self._reads.clear()

    async def read_to_the_end(self, count):
        """Read `count` frames, or less and the close. Return the frames, and the close code."""
        self.read()
        frames = []
        while len(frames) < count:
            async with asyncio.timeout(5):
                message = await self._from_application.get()
            if message["type"] == "websocket.close":
                return frames, message["code"]
            frames.append(message["text"])
        return frames, None
