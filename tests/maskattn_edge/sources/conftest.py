"""Servers of Motion JPEG and RTSP on loopback, that fail as they are told."""

import base64
import contextlib
import hashlib
import http.server
import re
import socket
import socketserver
import struct
import threading
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

USER, PASSWORD = "me", "p@ss/word"
LOGIN = "me:p%40ss%2Fword@"


def jpeg(value: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG of one grey, of which the decoder gives `value` back."""
    image = np.full((size[1], size[0], 3), value, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


@dataclass
class Script:
    """What a server does; tests change it while it runs.

    `value`: grey of the next pictures; grows by `step` with each, modulo 200.
    `stop_after`: pictures until the server hangs up.
    `cut_after`: pictures until it sends half a picture and hangs up.
    `silent`: pictures stop, the connection stays.
    """

    value: int = 50
    step: int = 0
    size: tuple[int, int] = (64, 48)
    fps: float = 100.0
    stop_after: int | None = None
    cut_after: int | None = None
    half_at: int | None = None
    silent: bool = False
    sign_in: str = ""
    status: int = 200
    content_type: str = "multipart/x-mixed-replace; boundary=--frame"
    lengths: bool = True
    connections: int = 0
    sent: list[tuple[int, float]] = field(default_factory=list)
    open_sockets: list[socket.socket] = field(default_factory=list)

    def next_value(self) -> int:
        value = self.value
        self.value = (self.value + self.step) % 200
        self.sent.append((value, time.monotonic()))
        return value

    def allows(self, header: str, method: str, target: str) -> bool:
        if self.sign_in == "basic":
            return header == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.sign_in == "digest":
            parts = dict(re.findall(r'(\w+)="?([^",]*)"?', header))

            def md5(*texts: str) -> str:
                return hashlib.md5(":".join(texts).encode()).hexdigest()

            response = parts.get("response")
            secret = md5(USER, "cam", PASSWORD)
            asked = md5(method, parts.get("uri", ""))
            if "nc" in parts:
                return response == md5(secret, "n1", parts["nc"], parts["cnonce"], "auth", asked)
            return response == md5(secret, "n1", asked)
        return True

    @property
    def challenge(self) -> str:
        digest = 'Digest realm="cam", nonce="n1", qop="auth"'
        return digest if self.sign_in == "digest" else 'Basic realm="cam"'


class Server:
    """A server on a port that stays the same when it is stopped and started again."""

    scheme = ""

    def __init__(self, handler: type[socketserver.BaseRequestHandler], scheme: str) -> None:
        self.script, self.scheme = Script(), scheme
        self._handler = handler
        self._server: socketserver.ThreadingTCPServer | None = None
        self.port = 0
        self.start()

    def uri(self, *, login: str = "", options: str = "") -> str:
        return f"{self.scheme}://{login}127.0.0.1:{self.port}/cam.mjpeg{options}"

    def start(self) -> None:
        script = self.script

        class Quiet(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # clients hang up as they like

        handler = type("Handler", (self._handler,), {"script": script})
        self._server = Quiet(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.hang_up()

    def hang_up(self) -> None:
        """Close every connection; the port stays open."""
        for connection in self.script.open_sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.script.open_sockets.clear()


class MjpegHandler(http.server.BaseHTTPRequestHandler):
    script: Script

    def log_message(self, *arguments):
        pass

    def do_GET(self) -> None:
        script = self.script
        script.connections += 1
        if not script.allows(self.headers.get("Authorization", ""), "GET", self.path):
            self.send_response(401)
            self.send_header("WWW-Authenticate", script.challenge)
            self.end_headers()
            return
        self.send_response(script.status)
        self.send_header("Content-Type", script.content_type)
        self.end_headers()
        script.open_sockets.append(self.connection)
        number = 0
        while script.status == 200:
            if number == script.stop_after:
                return
            if script.silent:
                time.sleep(0.01)
                continue
            data = jpeg(script.next_value(), script.size)
            head = f"Content-Length: {len(data)}\r\n" if script.lengths else ""
            self.wfile.write(f"--frame\r\nContent-Type: image/jpeg\r\n{head}\r\n".encode())
            if number == script.cut_after:
                self.wfile.write(data[: len(data) // 2])
                return
            half = number == script.half_at
            self.wfile.write((data[: len(data) // 2] if half else data) + b"\r\n")
            number += 1
            time.sleep(1 / script.fps)


class RtspHandler(socketserver.StreamRequestHandler):
    """RTSP with JPEG pictures inside of the TCP connection.

    Sources: RFC 2326 (RTSP, interleaved data in section 10.12), RFC 2435 (JPEG in RTP).
    """

    script: Script

    def handle(self) -> None:
        script = self.script
        script.connections += 1
        script.open_sockets.append(self.connection)
        self.playing = threading.Event()
        self.lock = threading.Lock()
        while line := self.rfile.readline():
            headers = {}
            while (field_ := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = field_.decode().partition(":")
                headers[name.lower()] = value.strip()
            method, target, _ = line.decode().split(" ", 2)
            self.answer(method, target, headers)
            if method == "TEARDOWN":
                return

    def answer(self, method: str, target: str, headers: dict[str, str]) -> None:
        status, extra, body = "200 OK", "", ""
        signed = self.script.allows(headers.get("authorization", ""), method, target)
        if method == "OPTIONS":
            extra = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif not signed:
            status, extra = "401 Unauthorized", f"WWW-Authenticate: {self.script.challenge}\r\n"
        elif self.script.status != 200:
            status = f"{self.script.status} Not Found"
        elif method == "DESCRIBE":
            extra = f"Content-Base: {target}/\r\nContent-Type: application/sdp\r\n"
            body = (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nc=IN IP4 0.0.0.0\r\n"
                "m=video 0 RTP/AVP 26\r\na=control:track0\r\n"
            )
        elif method == "SETUP":
            if "TCP" not in headers.get("transport", ""):
                status = "461 Unsupported Transport"
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        elif method == "PLAY":
            extra = "Session: 1\r\n"
        text = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{extra}"
        text += f"Content-Length: {len(body)}\r\n\r\n{body}"
        with self.lock:
            self.wfile.write(text.encode())
        if method == "PLAY" and status == "200 OK":
            threading.Thread(target=self.play, daemon=True).start()

    def play(self) -> None:
        script, number, sequence = self.script, 0, 0
        began = time.monotonic()
        try:
            while number != script.stop_after:
                if script.silent:
                    time.sleep(0.01)
                    continue
                ticks = int((time.monotonic() - began) * 90_000) & 0xFFFFFFFF
                packets = rtp_jpeg(jpeg(script.next_value(), script.size), ticks, sequence)
                sequence += len(packets)
                if number == script.cut_after:
                    packets = [packets[0][: len(packets[0]) // 2]]
                with self.lock:
                    for packet in packets:
                        self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
                if number == script.cut_after:
                    break
                number += 1
                time.sleep(1 / script.fps)
            self.connection.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass  # the client hung up


def rtp_jpeg(data: bytes, ticks: int, sequence: int) -> list[bytes]:
    """A JPEG as RTP packets, with its own quantisation tables."""
    tables, width, height, scan, kind = b"", 0, 0, b"", 0
    position = 2
    while not scan:
        marker, length = (
            data[position + 1],
            int.from_bytes(data[position + 2 : position + 4], "big"),
        )
        content = data[position + 4 : position + 2 + length]
        if marker == 0xDB:
            for start in range(0, len(content), 65):
                tables += content[start + 1 : start + 65]
        elif marker == 0xC0:
            height, width = struct.unpack(">HH", content[1:5])
            kind = 1 if content[7] == 0x22 else 0
        elif marker == 0xDA:
            scan = data[position + 2 + length :].removesuffix(b"\xff\xd9")
        position += 2 + length
    packets, offset = [], 0
    while offset < len(scan):
        piece = scan[offset : offset + 1200]
        last = offset + len(piece) == len(scan)
        head = struct.pack(
            ">BBHII", 0x80, 26 | (0x80 if last else 0), (sequence + len(packets)) & 0xFFFF, ticks, 7
        )
        head += struct.pack(">I", offset) + bytes([kind, 255, width // 8, height // 8])
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        packets.append(head + piece)
        offset += len(piece)
    return packets


@pytest.fixture
def mjpeg_server():
    server = Server(MjpegHandler, "http")
    yield server
    server.stop()


@pytest.fixture
def rtsp_server():
    server = Server(RtspHandler, "rtsp")
    yield server
    server.stop()


@pytest.fixture(params=["http", "rtsp"])
def camera_server(request):
    return request.getfixturevalue("mjpeg_server" if request.param == "http" else "rtsp_server")
