"""Short turns are asked of the kernel that is there, and nothing else of the thread changes."""

import ctypes
import os
import platform
import sys
import threading

import pytest

from maskattn_edge.pipeline import scheduling
from maskattn_edge.pipeline.scheduling import SLICE_NS, ask_for_short_turns

GRANTED = sys.platform == "linux" and tuple(
    int(part) for part in platform.release().split(".")[:2] if part.isdecimal()
) >= (6, 12)
linux_alone = pytest.mark.skipif(
    platform.machine() not in scheduling._CALLS or sys.platform != "linux",
    reason="no system call of this machine is known",
)


def in_a_thread(work):
    """What `work` returns, in a thread whose policy is thrown away afterwards."""
    attributes()
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def attributes():
    found = scheduling._Attributes()
    get = scheduling._CALLS[platform.machine()][0]
    if ctypes.CDLL(None).syscall(get, 0, ctypes.byref(found), ctypes.sizeof(found), 0) != 0:
        pytest.skip("this kernel tells nothing of a thread's turns")
    return found


@linux_alone
def test_the_kernel_takes_it_and_the_share_stays():
    def ask():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        return ask_for_short_turns(), attributes()

    taken, found = in_a_thread(ask)
    assert taken
    assert (found.policy, found.nice) == (os.SCHED_OTHER, 7)
    assert not GRANTED or found.runtime == SLICE_NS


@linux_alone
def test_a_policy_that_somebody_chose_stays():
    def ask():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        return ask_for_short_turns(), attributes()

    taken, found = in_a_thread(ask)
    assert not taken
    assert found.policy == os.SCHED_BATCH


def test_an_unknown_machine_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not ask_for_short_turns()
