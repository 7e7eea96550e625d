"""For processes that must not outlive the one that started them, even when that one is killed."""

import ctypes
import os
import signal
import sys
import threading
import time

PARENT = "COMPAT_PARENT"
"""Tells a child whom to stay with: asked for too late, its parent may be another already."""

PR_SET_PDEATHSIG = 1
"""`prctl(2)`: the kernel sends the given signal when the parent dies."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Linux: have the kernel send signal `number` to this process when its parent dies.

    Must come after any change of user, which clears it. Does nothing elsewhere.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def stay_with_parent() -> None:
    """Called by a child of ours as its first act: ends this process once the parent is gone."""
    parent = int(os.environ.get(PARENT) or os.getppid())
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    if _libc is not None:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def wait_for_end() -> None:
    """Sleep until a signal ends the process."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
