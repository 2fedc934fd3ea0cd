"""How much memory and time a process may take, looked up from outside and enforced by ending it.

Memory and processor time are read from ``/proc`` (Linux); on other systems only the wall clock is watched.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
THREAD_ROOM = 1024 * MIB
"""Address space for stacks and pools of threads that never becomes memory in use."""


@dataclass(frozen=True)
class Usage:
    """Of one process at one moment: bytes of memory in use, of private address space, and processor seconds."""

    memory: int = 0
    peak: int = 0
    space: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Allowance:
    """What one request may take beyond a ``Usage`` from before it: bytes, processor seconds, seconds by the clock."""

    memory: int
    seconds: float
    clock: float

    def broken(self, before: Usage, now: Usage, elapsed: float) -> str:
        """What was exceeded, in words; empty where nothing was."""
        if now.memory - before.memory > self.memory:
            return f"takes more than {self.memory // MIB} MiB of memory"
        if now.seconds - before.seconds > self.seconds:
            return f"takes more than {self.seconds:.0f} s of processor time"
        if elapsed > self.clock:
            return f"takes longer than {self.clock:g} s"
        return ""


def usage_of(pid: int) -> Usage:
    """The usage of a process; zeros where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        parts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return Usage()
    sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    memory, peak, space = (int(sizes.get(name, 0)) << 10 for name in ("VmRSS", "VmHWM", "VmData"))
    ticks = int(parts[11]) + int(parts[12])
    return Usage(memory, peak, space, ticks / os.sysconf("SC_CLK_TCK"))


def limit_space(pid: int, usage: Usage, memory: int) -> None:
    """Refuse a process large requests for memory at once, before a byte of them is filled.

    Linux without a GPU only: its driver maps address space by the hundred GiB.
    """
    if sys.platform != "linux" or not usage.space or Path("/dev/nvidiactl").exists():
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
        resource.prlimit(pid, resource.RLIMIT_DATA, (usage.space + memory + THREAD_ROOM, hard))
