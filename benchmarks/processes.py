"""What each process of the exchange costs: CPU time and memory, by the name that the launcher gives it."""

import os
from dataclasses import dataclass

import psutil

from outcry.home import Home

GENERATOR = "(generator)"
LAUNCHER = "outcry"


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far, by process name and pid, and resident bytes by process name."""

    cpu_s: dict[tuple[str, int], float]
    resident: dict[str, int]

    def cpu_since(self, earlier: "Usage") -> dict[str, float]:
        """CPU seconds per process name since an earlier reading; a process that started meanwhile counts whole."""
        spent: dict[str, float] = {}
        for (name, pid), seconds in self.cpu_s.items():
            spent[name] = spent.get(name, 0.0) + seconds - earlier.cpu_s.get((name, pid), 0.0)
        return spent


class Processes:
    """The processes of a running exchange. ``home`` None: it is not ours to look at, only the generator is seen."""

    def __init__(self, home: Home | None) -> None:
        self._home = home

    def read(self) -> Usage:
        """CPU and memory of every process just now. PostgreSQL counts with all its backends."""
        cpu_s: dict[tuple[str, int], float] = {}
        resident: dict[str, int] = {}
        for name, root in self._roots().items():
            for process in _family(root, whole=name not in (GENERATOR, LAUNCHER)):
                try:
                    with process.oneshot():
                        times = process.cpu_times()
                        memory = process.memory_info()
                except psutil.NoSuchProcess:
                    continue
                cpu_s[name, process.pid] = times.user + times.system
                # PostgreSQL's processes share their buffers: counted once, with the process that has most of them.
                private = memory.rss - memory.shared
                resident[name] = resident.get(name, 0) + (memory.rss if process.pid == root else private)
        return Usage(cpu_s, resident)

    def _roots(self) -> dict[str, int]:
        roots = {GENERATOR: os.getpid()}
        if self._home is None:
            return roots
        holder = self._home.holder()
        if holder:
            roots[LAUNCHER] = holder
        for entry in self._home.read_state().get("processes", []):
            if entry["pid"]:
                roots[entry["name"]] = entry["pid"]
        return roots


def _family(pid: int, *, whole: bool) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)] if whole else [process]
    except psutil.NoSuchProcess:
        return []
