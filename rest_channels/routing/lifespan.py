"""The lifespan of the ASGI application that a `SocketApplication` hands HTTP requests to."""

import asyncio
import logging
from typing import Any

from ..protocol.messages import Application, Scope

__all__ = ["InnerLifespan"]

logger = logging.getLogger("rest_channels")

STARTUP, SHUTDOWN = "lifespan.startup", "lifespan.shutdown"


class InnerLifespan:
    """Starts and stops `application`, with the `state` of the server's scope.

    Django's application and others serve no lifespan. They raise an error or return before they ask
    for the first message, or send a message of another protocol. They are left alone.
    """

    def __init__(self, application: Application, scope: Scope) -> None:
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: dict[str, dict[str, Any]] = {}
        self._answered = asyncio.Event()
        self._received_startup = False
        self._is_foreign = False
        self._task = asyncio.ensure_future(_run(application, scope, self._receive, self._send))

    async def start(self) -> None:
        """Start the application. Raise `RuntimeError` if its start-up fails."""
        answer = await self._exchange(STARTUP)
        if answer is None:
            error = self._error()
            if error is not None and self._received_startup and not self._is_foreign:
                raise RuntimeError(f"The HTTP application cannot start: {error!r}") from error
            logger.debug("The HTTP application serves no lifespan: %r", error)
        elif answer["type"] == f"{STARTUP}.failed":
            await self._end()
            raise RuntimeError(answer.get("message") or "The HTTP application cannot start.")

    async def stop(self) -> str | None:
        """Stop the application. Return the message of a failure, or `None`."""
        if self._task.done():
            self._error()
            return None
        answer = await self._exchange(SHUTDOWN)
        error = await self._end()
        if answer is not None and answer["type"] == f"{SHUTDOWN}.failed":
            return str(answer.get("message") or "The HTTP application failed.")
        return None if answer is not None or error is None else str(error)

    async def _exchange(self, event: str) -> dict[str, Any] | None:
        """Send `event` to the application. Return its answer, or `None` if it ends without one."""
        self._answered.clear()
        self._incoming.put_nowait({"type": event})
        waiting = asyncio.ensure_future(self._answered.wait())
        try:
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return self._answers.get(event)

    async def _end(self) -> BaseException | None:
        """Wait until the application has returned, and return its error."""
        await asyncio.wait({self._task})
        if (error := self._error()) is not None:
            logger.error("The lifespan of the HTTP application failed.", exc_info=error)
        return error

    def _error(self) -> BaseException | None:
        return None if self._task.cancelled() else self._task.exception()

    def cancel(self) -> None:
        """End the application where the server does not wait for it. It may have ended already."""
        self._task.cancel()

    async def _receive(self) -> dict[str, Any]:
        message = await self._incoming.get()
        self._received_startup = True
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        event, _dot, result = str(message.get("type")).rpartition(".")
        if event not in (STARTUP, SHUTDOWN) or result not in ("complete", "failed"):
            self._is_foreign = True
            raise ValueError(f"A lifespan has no message {message.get('type')!r}.")
        self._answers[event] = message
        self._answered.set()


async def _run(application: Application, scope: Scope, receive: Any, send: Any) -> None:
    await application(scope, receive, send)
