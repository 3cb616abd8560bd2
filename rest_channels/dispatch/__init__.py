"""The path of one event, from its arrival to its answer.

`exception_handler` is the default of the setting `EXCEPTION_HANDLER`. A project's own handler may
call it.
"""

from .errors import Refusal, exception_handler

__all__ = ["Refusal", "exception_handler"]
