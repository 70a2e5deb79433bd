"""How fast lost sources come back, on loopback: run it by hand, it takes a minute."""

from __future__ import annotations

import threading
import time

import conftest
import numpy as np

from maskattn_edge.sources import Source, open_source

DISCONNECTS, ABSENCES_S = 100, (0.3, 1, 2, 4, 6)


def next_session(source: Source, number: int):
    """The first frame after the loss of that number."""
    while True:
        frame = source.read()
        if frame.reopened == number:
            return frame


def disconnects(server: conftest.Server) -> str:
    """Hang up again and again while the server goes on."""
    server.script.step = 1
    waits, old = [], 0
    with open_source(server.uri()) as source:
        for number in range(1, DISCONNECTS + 1):
            source.read()
            server.hang_up()
            cut = time.monotonic()
            frame = next_session(source, number)
            waits.append(time.monotonic() - cut)
            value = round(float(frame.image_bgr.mean()))
            sent = [at for shown, at in server.script.sent if shown == value][-1]
            old += sent < cut
    middle, worst = np.median(waits), max(waits)
    return f"{DISCONNECTS} disconnects: next frame p50 {middle:.2f}, max {worst:.2f} s; {old} old"


def absences(server: conftest.Server) -> str:
    """Take the server away for a while."""
    waits = []
    with open_source(server.uri()) as source:
        for number, seconds in enumerate(ABSENCES_S, start=1):
            source.read()
            server.stop()
            returned = []
            threading.Timer(
                seconds, lambda back=returned: (server.start(), back.append(time.monotonic()))
            ).start()
            next_session(source, number)
            waits.append(time.monotonic() - returned[0])
    return f"gone for {ABSENCES_S} s: back after {', '.join(f'{wait:.2f}' for wait in waits)} s"


if __name__ == "__main__":
    for handler, scheme in ((conftest.MjpegHandler, "http"), (conftest.RtspHandler, "rtsp")):
        for measure in (disconnects, absences):
            server = conftest.Server(handler, scheme)
            print(f"{scheme}: {measure(server)}", flush=True)
            server.stop()
