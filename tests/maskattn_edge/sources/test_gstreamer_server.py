"""RTSP from GStreamer's own server, where Debian's gir1.2-gst-rtsp-server-1.0 is installed."""

import functools
import socket
import subprocess
import time

import pytest

from maskattn_edge.contract.errors import SourceRefusedError
from maskattn_edge.sources import open_source

PYTHON = "/usr/bin/python3"  # the system's, which sees GStreamer
SERVER = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
if len(sys.argv) == 1:
    sys.exit(not all(map(Gst.ElementFactory.find, ("vp8enc", "rtpvp8pay", "jpegenc"))))
port, encoder, password = sys.argv[1:]
server = GstRtspServer.RTSPServer()
server.set_service(port)
server.set_address("127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! " + encoder + " name=pay0 )"
)
if password:
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("me", password), token)
    server.set_auth(auth)
    role = "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(role))
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


@functools.lru_cache
def has_server() -> bool:
    try:
        done = subprocess.run([PYTHON, "-c", SERVER], capture_output=True, check=False, timeout=60)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture
def serve():
    """Start GStreamer's server; all of them end with the test."""
    if not has_server():
        pytest.skip("GStreamer's RTSP server is not installed")
    running = []

    def start(port: int, encoder: str, password: str = "") -> subprocess.Popen[bytes]:
        command = [PYTHON, "-c", SERVER, str(port), encoder, password]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("encoder", ["jpegenc ! rtpjpegpay", "vp8enc deadline=1 ! rtpvp8pay"])
def test_a_killed_server_that_comes_back(serve, encoder: str) -> None:
    port = free_port()
    first = serve(port, encoder)
    with open_source(f"rtsp://127.0.0.1:{port}/cam") as source:
        frames = [source.read() for _ in range(10)]
        assert frames[0].image_bgr.shape == (240, 320, 3)
        assert all(frame.captured <= time.monotonic() for frame in frames)
        first.kill()
        first.wait()
        serve(port, encoder)
        back = time.monotonic()
        while not (frame := source.read()).reopened:
            pass
        assert frame.captured > back
        assert source.losses().reopened == 1


def test_password(serve) -> None:
    port = free_port()
    serve(port, "jpegenc ! rtpjpegpay", "p@ss")
    with pytest.raises(SourceRefusedError, match="wrong user or password"):
        open_source(f"rtsp://me:no@127.0.0.1:{port}/cam")
    with open_source(f"rtsp://me:p%40ss@127.0.0.1:{port}/cam") as source:
        assert source.read().image_bgr.shape == (240, 320, 3)
