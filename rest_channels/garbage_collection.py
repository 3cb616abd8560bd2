"""Shorter garbage collections for a process that serves many connections."""

import gc

__all__ = ["tune_garbage_collection"]

THRESHOLDS = (10_000, 5, 1_000)
"""New objects between two collections of the young ones, and how many of these make an older one.

With Python's own thresholds the process looks at all its objects again while clients connect: at
10,000 connections this stops the event loop for longer than anything else. With these it looks at
the newest 50,000 at most, apart from a rare full collection.
"""


def tune_garbage_collection() -> None:
    """Let garbage collections stop the event loop for less time. Call it at the end of `asgi.py`.

    What is loaded by then is never looked at again (`gc.freeze`). Full collections become rare.
    Connections do not need them: they are freed as soon as they have ended. A project whose own
    objects refer to each other in cycles, and live for long, uses more memory between two of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
