"""The first use of a `SocketApplication` in a process: the system checks are logged then."""

import asyncio
import logging
from typing import Any

from django.core.checks import run_checks

from ..engine.publish import note_serving

__all__ = ["FirstUse", "first_use"]

logger = logging.getLogger("rest_channels")

CHECKED_TAGS = ("rest_channels", "sockets")


class FirstUse:
    """The first use of a `SocketApplication` in this process, which logs the system checks.

    Attributes:
        application: The application that this process serves, once it was used.
        checked: Whether the checks have run, here or by `manage.py`.
    """

    def __init__(self) -> None:
        self.application: Any = None
        self.checked = False

    async def begin(self, application: Any) -> None:
        """Note that `application` serves, and log what the checks report."""
        self.application = application
        note_serving()
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        if self.checked:
            return
        self.checked = True
        try:
            messages = run_checks(tags=CHECKED_TAGS)
        except Exception:
            logger.exception("The system checks failed.")
            return
        for message in messages:
            if not message.is_silenced():
                level = logging.ERROR if message.is_serious() else logging.WARNING
                logger.log(level, "%s", message)


first_use = FirstUse()
