"""How soon the kernel lets a thread run that was woken.

An engine keeps every core busy that it was given. A thread that wakes beside it, to take a frame
from the camera or to bring a result to an output, is put behind it, and waits until the engine's
turn is over: 3 ms as Linux is set, as long as a whole frame takes.
"""

from __future__ import annotations

import ctypes
import platform
import sys

SLICE_NS = 100_000
"""The shortest turn that Linux grants."""

_CALLS = {"x86_64": (315, 314), "aarch64": (275, 274)}  # sched_getattr, sched_setattr
_OTHER = 0  # the policy of every thread that nobody gave another one


class _Attributes(ctypes.Structure):
    """`struct sched_attr` in its first version, sched_setattr(2)."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    ]


def ask_for_short_turns() -> bool:
    """Ask that the calling thread runs soon after it wakes, for shorter turns in exchange.

    Its share of the processor stays as it was, and no permission is needed. Linux 6.12 and later
    grant it; earlier ones ignore it.

    Returns:
        Whether the kernel took the wish; a thread with a policy of its own keeps that.

    Source:
        Linux, Documentation/scheduler/sched-eevdf.rst.
    """
    calls = _CALLS.get(platform.machine())
    if sys.platform != "linux" or calls is None or sys.maxsize < 2**32:
        return False
    system, attributes = ctypes.CDLL(None).syscall, _Attributes()
    get, set_ = (ctypes.c_long(number) for number in calls)
    size, none = ctypes.c_uint(ctypes.sizeof(attributes)), ctypes.c_uint(0)
    this_thread = ctypes.c_int(0)
    if system(get, this_thread, ctypes.byref(attributes), size, none) != 0:
        return False
    if attributes.policy != _OTHER:
        return False
    attributes.runtime = SLICE_NS
    return bool(system(set_, this_thread, ctypes.byref(attributes), none) == 0)
