"""What of this machine a program may use: processors and memory, as the system and its container limit them."""

from __future__ import annotations

import os
from pathlib import Path

from labgen.lazy.dataclasses import dataclass

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processors (count) and free memory (bytes); 0 bytes where that can't be told."""

    processors: int
    memory_bytes: int


def this_machine() -> Machine:
    """What this process may use at present."""
    return Machine(_processors(), _memory_bytes())


def _processors() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _words(CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        usable = min(usable, -(-int(quota) // int(period)))
    return max(1, usable)


def _memory_bytes() -> int:
    free = next((line for line in _words(MEMINFO).splitlines() if line.startswith("MemAvailable:")), "").split()
    if len(free) > 1 and free[1].isdecimal():
        found = int(free[1]) * 1024
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # how much is free is not told
    else:
        return 0
    most, used = _words(CGROUP / "memory.max"), _words(CGROUP / "memory.current")
    if most.isdecimal() and used.isdecimal():
        found = min(found, max(0, int(most) - int(used)))
    return found


def _words(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
