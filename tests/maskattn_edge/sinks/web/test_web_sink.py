"""The live page without a browser: what is served, to whom, and what a bad viewer can do."""

import http.client
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from maskattn_edge.contract import ClassInfo, InputSpec, ModelSpec, PrecisionSpec
from maskattn_edge.contract.errors import SinkError, UsageError
from maskattn_edge.engines import open_engine
from maskattn_edge.frame import FrameTimes
from maskattn_edge.pipeline import Pipeline
from maskattn_edge.preprocess import geometry
from maskattn_edge.segmentation import Instances, Segmentation
from maskattn_edge.sinks import Outputs
from maskattn_edge.sinks.web import Address, WebSink, parse_address, server
from maskattn_edge.sinks.web.access import Access, access_to
from maskattn_edge.sinks.web.history import History
from maskattn_edge.sinks.web.newest import Newest
from maskattn_edge.sinks.web.record import encode
from maskattn_edge.sources import Frame, Source

TOKEN = "a-token_of-ours-1"
SPEC = ModelSpec(
    name="<b>tiny</b>",
    task="semantic",
    classes=(ClassInfo("floor", (250, 10, 20)), ClassInfo("<i>cup</i>", (5, 240, 30), thing=True)),
    input=InputSpec(height=8, width=8, resize="letterbox"),
    precision=PrecisionSpec(name="fp32"),
)
FREE = Address(port=0)


def result(index=0, size=(40, 80), captured=None):
    """A noisy frame whose right half is a cup."""
    height, width = size
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 4:] = 1
    captured = time.monotonic() if captured is None else captured
    noise = np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)
    frame = Frame(image_bgr=noise, captured=captured, index=index)
    place = geometry(height, width, height=8, width=8, resize="letterbox")
    times = FrameTimes(captured=captured, taken=captured + 0.001, inferred=captured + 0.005)
    return frame, Segmentation(labels=labels, spec=SPEC, place=place, times=times)


def figures(seconds, captured=0):
    return {"seconds": seconds, "captured": captured, "processed": captured, "dropped": 0}


def get(sink, path="", **headers):
    """(status, headers, body) of a request; redirects are followed without cookies."""
    base = sink.url.partition("?")[0]
    try:
        with urllib.request.urlopen(
            urllib.request.Request(base + path, headers=headers), timeout=5
        ) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def raw(sink, path, **headers):
    """As `get`, but a redirect is an answer."""
    port = int(sink.url.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def parsed(body):
    """(head, JPEG, labels) of a record."""
    (size,) = struct.unpack_from("<I", body)
    head = json.loads(body[4 : 4 + size])
    rest = body[4 + size :]
    return head, rest[: head["picture"]], rest[head["picture"] :]


@pytest.fixture
def sink():
    with WebSink(FREE, opacity=0.25) as opened:
        yield opened


def test_page_is_one_file_that_needs_nothing_else(sink):
    status, headers, body = get(sink)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy
    for outside in (b"http://", b"https://", b"src=", b"@import"):
        assert outside not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"innerHTML" not in body  # names come from files of strangers
    assert len(body) < 40_000


def test_picture_and_labels_come_in_one_record(sink):
    frame, answer = result(7)
    sink.write(frame, answer)
    status, _, body = get(sink, "frame")
    assert status == 200
    head, jpeg, labels = parsed(body)
    assert (head["number"], head["index"], head["width"], head["height"]) == (1, 7, 80, 40)
    assert head["grid"] == {"width": 8, "height": 4, "instances": False}
    assert 0 <= head["age_ms"] < 60_000
    assert head["latency_ms"] == pytest.approx(4)
    assert dict(head["classes"]) == {0: 0.5, 1: 0.5}
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (40, 80, 3)
    np.testing.assert_array_equal(
        np.frombuffer(labels, np.uint8).reshape(4, 8), answer.labels[2:6]
    )  # without the letterbox's bars


def test_instances_follow_the_labels():
    frame, answer = result()
    table = Instances(
        map=np.full((8, 8), 1, np.uint8),
        label=np.ones(1, np.uint8),
        score=np.ones(1, np.float32),
        box=np.array([[0, 0, 8, 8]], np.int32),
    )
    whole = Segmentation(labels=answer.labels, spec=SPEC, place=answer.place, instances=table)
    head, _, grids = parsed(encode(1, frame, whole).to_bytes(0.0))
    assert head["grid"]["instances"]
    assert grids[32:] == b"\x01" * 32
    assert head["latency_ms"] is None


def test_a_large_picture_is_sent_smaller():
    head, jpeg, _ = parsed(encode(1, *result(size=(1080, 1920))).to_bytes(0.0))
    assert (head["width"], head["height"]) == (1920, 1080)
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (540, 960, 3)


def test_a_request_waits_for_the_next_frame(sink):
    sink.write(*result(0))
    first, _, _ = parsed(get(sink, "frame")[2])
    timer = threading.Timer(0.2, lambda: sink.write(*result(1)))
    timer.start()
    second, _, _ = parsed(get(sink, f"frame?after={first['number']}")[2])
    assert (first["index"], second["index"]) == (0, 1)
    timer.join()


def test_only_what_is_watched_is_encoded_and_once_for_all(sink):
    for index in range(50):
        sink.write(*result(index))
    assert sink.encoded == 0
    heads = [parsed(get(sink, "frame")[2])[0] for _ in range(4)]
    assert {head["index"] for head in heads} == {49}
    assert sink.encoded == 1


def test_a_page_of_a_former_run_gets_a_frame_at_once(sink):
    sink.write(*result(3))
    assert parsed(get(sink, "frame?after=5000")[2])[0]["index"] == 3


def test_pace_is_bounded_and_takes_the_newest():
    now = [0.0]
    newest = Newest(max_fps=15, clock=lambda: now[0])
    newest.put(*result(0))
    assert newest.take(0, 1).number == 1
    newest.put(*result(1))
    newest.put(*result(2))
    assert newest.take(0, 1).number == 1  # too early for another: who has none gets the last one
    assert newest.encoded == 1
    now[0] = 0.07
    record = newest.take(1, 1)
    assert (record.number, record.head["index"]) == (3, 2)
    assert newest.encoded == 2


def test_waiting_ends_with_the_time_or_the_run():
    newest = Newest()
    assert newest.take(0, 0.01) is None
    taken = []
    waiting = threading.Thread(target=lambda: taken.append(newest.take(0, 30)))
    waiting.start()
    newest.close()
    waiting.join(5)
    assert taken == [None]


def test_run_tells_figures_history_and_model(sink):
    empty = json.loads(get(sink, "run")[2])
    assert empty == {"opacity": 0.25, "figures": None, "history": [], "model": None}
    for index in range(3):
        frame, answer = result(index, captured=1.0)
        late = FrameTimes(captured=1.0, taken=1.1, inferred=1.2 + index, delivered=2.0 + index)
        sink.write(frame, answer.at(answer.place, late))
    sink.observe(figures(1.0, captured=3))
    run = json.loads(get(sink, "run")[2])
    assert run["figures"]["captured"] == 3
    (second,) = run["history"]
    assert second["latency_ms"] == pytest.approx([1100, 2100])
    assert second["age_ms"] == pytest.approx([2000, 3000])
    assert second["processed_per_s"] == 3
    assert run["model"]["name"] == "<b>tiny</b>"
    assert [entry["name"] for entry in run["model"]["classes"]] == ["floor", "<i>cup</i>"]
    assert run["model"]["licences"] == {"weights": "not stated", "data": "not stated"}


def test_history_is_a_minute_and_shows_gaps():
    history = History(seconds=60)
    for second in range(1, 100):
        history.close_second(figures(float(second), captured=10 * second))
    assert [entry["seconds"] for entry in history.entries()] == list(range(40, 100))
    assert history.entries()[0]["latency_ms"] is None
    assert history.entries()[0]["captured_per_s"] == 10


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/../page.html", 404), ("/frame?after=x", 400)],
)
def test_other_requests_are_refused(sink, path, status):
    assert raw(sink, path)[0] == status


def test_an_address_that_is_none_is_refused(sink):
    port = int(sink.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_foreign_name_for_this_machine_is_refused(sink):
    for path in ("/", "/run", "/frame"):
        status, _, body = raw(sink, path, Host="rebound.example:8765")
        assert (status, b"localhost" in body) == (403, True)
    for name in ("localhost:9999", "127.0.0.1", "[::1]:80"):
        assert raw(sink, "/", Host=name)[0] == 200
    for name in ("", "[", "localhost.rebound.example", "127.0.0.1.rebound.example"):
        assert raw(sink, "/", Host=name)[0] == 403


@pytest.fixture
def guarded():
    with WebSink(FREE, token=TOKEN) as opened:
        opened.write(*result())
        yield opened


def test_without_the_token_nothing_is_told(guarded):
    for path in ("/", "/run", "/frame", "/?token=", "/?token=wrong-token", "/run?token=" + TOKEN):
        status, _, body = raw(guarded, path)
        assert status == 401, path
        assert b"URL that the run printed" in body
    for wrong in ("Basic " + TOKEN, "Bearer " + TOKEN[:-1], "Bearer ä", "Bearer"):
        assert raw(guarded, "/run", Authorization=wrong.encode("latin-1"))[0] == 401
    assert raw(guarded, "/run", Cookie="maskattn_edge_1=" + TOKEN)[0] == 401
    assert raw(guarded, "/run", Cookie="broken;;=\x01=")[0] == 401


def test_the_printed_url_gives_a_cookie_that_opens_the_rest(guarded):
    assert guarded.url.endswith("/?token=" + TOKEN)
    assert guarded.url in guarded.notice
    status, headers, _ = raw(guarded, "/?token=" + TOKEN)
    assert (status, headers["Location"]) == (303, "./")
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(attributes)
    for path in ("/", "/run", "/frame"):
        assert raw(guarded, path, Cookie=cookie)[0] == 200
        assert raw(guarded, path, Authorization="Bearer " + TOKEN)[0] == 200


def test_beyond_loopback_a_token_is_made():
    made = access_to(Address(host="0.0.0.0"), None)
    assert len(made.token) >= 24
    assert made.token != access_to(Address(host="0.0.0.0"), None).token
    assert access_to(Address(), None).token is None
    assert access_to(Address(), TOKEN).token == TOKEN
    with WebSink(Address(host="0.0.0.0", port=0)) as sink:
        assert "?token=" in sink.url
        port = int(sink.url.split(":")[2].split("/")[0])
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/run", timeout=5)
        refused.value.close()


@pytest.mark.parametrize("token", ["short", "with space in it", "ünïcödé-token", "a;b=cdefgh", ""])
def test_tokens_that_cannot_work_are_refused(token):
    with pytest.raises(UsageError, match="--web-token needs 8 or more"):
        Access(token=token)


def test_a_viewer_that_stops_reading_is_dropped(monkeypatch):
    monkeypatch.setattr(server, "SEND_S", 0.3)
    with WebSink(FREE) as sink:
        sink.write(*result(size=(900, 900)))
        port = int(sink.url.split(":")[2].split("/")[0])
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect(("127.0.0.1", port))
            lazy.sendall(b"GET /frame HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            deadline = time.monotonic() + 10
            while not sink.encoded and time.monotonic() < deadline:
                time.sleep(0.01)
            for index in range(100):  # nobody waits for it
                sink.write(*result(index, size=(40, 80)))
            assert get(sink, "run")[0] == 200
            while viewer_threads() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not viewer_threads()
        assert parsed(get(sink, "frame")[2])[0]["index"] == 99


def test_a_run_does_not_wait_for_a_stuck_viewer(tiny_model, monkeypatch):
    monkeypatch.setattr(server, "SEND_S", 60)  # nobody is dropped while this lasts

    class Camera(Source):
        live, length, index = True, None, 0

        def read(self):
            time.sleep(0.002)
            self.index += 1
            return result(self.index, size=(300, 300))[0] if self.index <= 60 else None

        def describe(self):
            return "camera"

    sink = WebSink(FREE)
    port = int(sink.url.split(":")[2].split("/")[0])
    ask = b"GET /frame HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    viewers = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
    for viewer in viewers:
        viewer.sendall(ask)
    began = time.monotonic()
    with open_engine(tiny_model, backend="onnxruntime", threads=1) as engine:
        summary = Pipeline(Camera(), engine, [sink]).run()
    assert time.monotonic() - began < 50  # they were still stuck when it ended
    output = summary.outputs[0]
    assert summary.captured == 60
    assert output.delivered + output.dropped + summary.dropped.engine == 60
    for viewer in viewers:
        viewer.close()


def viewer_threads():
    return [thread for thread in threading.enumerate() if "process_request" in thread.name]


def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    with WebSink(FREE) as sink:
        port = int(sink.url.split(":")[2].split("/")[0])
        held = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(8)]
        try:
            closed = 0
            for connection in held[3:]:
                closed += connection.recv(1) == b""
            assert closed == 5
        finally:
            for connection in held:
                connection.close()
        deadline = time.monotonic() + 5
        while viewer_threads() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert get(sink, "run")[0] == 200  # their places are free again


def test_the_end_is_told_and_the_port_is_free_again():
    sink = WebSink(FREE)
    port = int(sink.url.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/run")
    connection.getresponse().read()
    connection.request("GET", "/frame")
    sink.close()
    sink.close()
    assert connection.getresponse().status == 410
    connection.close()
    with WebSink(Address(port=port)) as again:
        assert get(again)[0] == 200


def test_a_port_in_use_is_told(sink):
    port = int(sink.url.split(":")[2].split("/")[0])
    with pytest.raises(SinkError, match=f"127.0.0.1:{port}: the port is in use: end the other"):
        WebSink(Address(port=port))


def test_an_address_of_another_machine_is_told():
    with pytest.raises(SinkError, match="cannot be listened on"):
        WebSink(Address(host="192.0.2.1", port=0))


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8765", "127.0.0.1", 8765, True),
        ("8080", "127.0.0.1", 8080, True),
        ("0.0.0.0", "0.0.0.0", 8765, False),
        ("robot.local:80", "robot.local", 80, False),
        ("localhost:1", "localhost", 1, True),
        ("[::1]:99", "::1", 99, True),
        ("[::]", "::", 8765, False),
    ],
)
def test_addresses(text, host, port, loopback):
    address = parse_address(text)
    assert (address.host, address.port, address.loopback) == (host, port, loopback)


@pytest.mark.parametrize(
    "text", ["", ":80", "a:b", "a:99999", "::1", "[::1", "[x]:1", "a b:1", "host:", "-x:1", "²"]
)
def test_addresses_that_are_none(text):
    with pytest.raises(UsageError, match="not HOST:PORT"):
        parse_address(text)


def test_a_token_without_a_page_is_refused():
    with pytest.raises(UsageError, match="--web-token needs --web"):
        Outputs(web_token=TOKEN)
