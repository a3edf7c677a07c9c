"""Children that outlived their launcher: found by what it last wrote about them, ended before anything new starts.

On Linux the kernel ends them together with the launcher; this is for other systems, and for a child that hangs in its
own end. A process id may have been given to somebody else since: one counts as ours only if it was also created at the
very moment that was written down, and runs the very program.
"""

from pathlib import PurePath
from typing import Any

from outcry.home import Home

CREATED_TOLERANCE_S = 0.05
END_TIMEOUT_S = 10.0


def end_all(home: Home) -> list[str]:
    """End what is left of the last run, and answer the names. To be called only while nobody holds the folder."""
    import psutil

    left = [
        (entry["name"], found) for entry in home.read_state().get("processes", []) if (found := _same_process(entry))
    ]
    for name, found in reversed(left):  # the servers were started first
        try:
            found.send_signal(2 if name == "postgres" else 15)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs([found for _, found in left], timeout=END_TIMEOUT_S)
    for found in alive:
        found.kill()
    psutil.wait_procs(alive, timeout=END_TIMEOUT_S)
    return [name for name, _ in left]


def _same_process(entry: dict[str, Any]) -> Any:
    """The process of that entry if it still runs, else None."""
    import psutil

    if not entry.get("pid"):
        return None
    try:
        found = psutil.Process(entry["pid"])
        same = abs(found.create_time() - entry["created_s"]) < CREATED_TOLERANCE_S and found.is_running()
        runs_it = PurePath(entry["program"]).name in " ".join(found.cmdline())  # a zombie has no command line
        return found if same and runs_it else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
