"""The ways in which a process may end, each of which must send the spans that wait; `atexit` is only one of them."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType


def before_exit_by_sigterm(shut_down: Callable[[], None]) -> None:
    """SIGTERM's default action ends Python without `atexit`; servers that handle it themselves are left alone.

    uvicorn raises the signal again after its own shutdown, with the handler it found: this one.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def handle(number: int, frame: FrameType | None) -> None:
        shut_down()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)


def before_end_of_child(shut_down: Callable[[], None]) -> None:
    """In a process that was just forked: a child of `multiprocessing` ends without `atexit` but has its own finalizers.

    It forgets those of its parent first, so this one is added by what it runs after that.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(shut_down, lambda _: util.Finalize(None, shut_down, exitpriority=-100))
