"""A tuning of the garbage collector, for the case `idle-server`."""

import gc


def tune() -> None:
    """Exempt what is loaded from collections, and collect old objects rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
