"""What other processes use: CPU time, and memory. Linux has both; elsewhere they are 0."""

import os
from contextlib import suppress
from pathlib import Path
from time import clock_gettime


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of all threads of a process.

    The id of the clock is what `clock_getcpuclockid` of the C library returns on Linux.
    """
    with suppress(OSError):
        return clock_gettime((~pid << 3) | 2)
    return 0.0


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0
