"""What tests of several packages share: state dicts, a server for downloads, a browser."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import onnxruntime before us

EMBEDDING = 256


def _conv_block(name: str, inputs: int, middle: int, outputs: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.conv_block.0.weight": (middle, inputs, 3, 3)}
    shapes |= _batch_norm(f"{name}.conv_block.1", middle)
    shapes |= {f"{name}.conv_block.3.weight": (outputs, middle, 3, 3)}
    return shapes | _batch_norm(f"{name}.conv_block.4", outputs)


def _batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def shapes_of_published(classes: int, side: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes, written down from the architecture's description."""
    shapes = _conv_block("initial_conv", 3, 64, 64)
    for n, (inputs, outputs) in enumerate([(64, 128), (128, 256), (256, 256)], start=1):
        block = f"downsample{n}.maxpool_conv"
        shapes |= _conv_block(f"{block}.1", inputs, inputs, inputs)
        shapes |= _conv_block(f"{block}.2", inputs, outputs, outputs)
        shapes |= _batch_norm(f"{block}.3", outputs)
        shapes |= _linear(f"downsample{n}.emb_layer.1", EMBEDDING, outputs)
    for n, (inputs, outputs) in enumerate([(256, 512), (512, 512), (512, 256)], start=1):
        shapes |= _conv_block(f"bottom{n}", inputs, outputs, outputs)
    for n, (inputs, outputs) in enumerate([(512, 128), (256, 64), (128, 64)], start=1):
        shapes |= _conv_block(f"upsample{n}.conv.0", inputs, inputs, inputs)
        shapes |= _conv_block(f"upsample{n}.conv.1", inputs, inputs // 2, outputs)
        shapes |= _batch_norm(f"upsample{n}.conv.2", outputs)
        shapes |= _linear(f"upsample{n}.emb_layer.1", EMBEDDING, outputs)
    for n, channels in enumerate([128, 256, 256, 128, 64, 64], start=1):
        for part in ("query", "key", "value"):
            shapes |= _linear(f"self_attention{n}.{part}", channels, channels)
        shapes |= {f"self_attention{n}.norm.{part}": (channels,) for part in ("weight", "bias")}
    shapes |= {f"norm.{part}": (64, side, side) for part in ("weight", "bias")}
    shapes |= {"final_layer.0.weight": (classes, 64, 1, 1), "final_layer.0.bias": (classes,)}
    return shapes | _batch_norm("final_layer.1", classes)


@pytest.fixture(scope="session")
def published_shapes_by_hand() -> Callable[[int, int], dict[str, tuple[int, ...]]]:
    return shapes_of_published


@pytest.fixture(scope="session")
def published_state():
    """(classes, side, seed=0) -> a state dict with weights that keep the signal's size."""
    torch = pytest.importorskip("torch")

    def make(classes: int, side: int, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)

        def values(name: str, shape: tuple[int, ...]):
            if name.endswith("num_batches_tracked"):
                return torch.tensor(7)
            if len(shape) in (2, 4):
                fan_in = shape[1] * (9 if shape[2:] == (3, 3) else 1)
                return torch.randn(shape, generator=generator) * fan_in**-0.5
            noise = torch.rand(shape, generator=generator)
            return noise + 0.5 if name.endswith(("weight", "running_var")) else noise - 0.5

        shapes = shapes_of_published(classes, side)
        return {name: values(name, shape) for name, shape in shapes.items()}

    return make


@pytest.fixture(scope="session")
def published_checkpoint(published_state, tmp_path_factory):
    """A file as the published scripts leave it, of 3 classes on 16x16 pixels."""
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("published") / "epoch.pth"
    torch.save({f"module.{name}": value for name, value in published_state(3, 16).items()}, path)
    return path


@dataclass
class Server:
    """Files by name, and what goes wrong with the next answers."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """Connections to break, each after so many bytes."""
    status: list[int] = field(default_factory=list)
    """Answers to give in place of the next ones."""
    asked: list[str | None] = field(default_factory=list)
    """The range of each request."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `Server.files`, with ranges."""

    state: Server

    def do_GET(self):
        state, wanted = self.state, self.headers.get("Range")
        state.asked.append(wanted)
        data = state.files.get(self.path.lstrip("/"))
        if state.status or data is None:
            self.send_error(state.status.pop(0) if state.status else 404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if wanted and state.ranges and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if wanted and state.ranges:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
            start = 0
        body = data[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    state = Server()
    handler = type("Bound", (Handler,), {"state": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        yield state
        httpd.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium with its driver, which logs errors and requests; or the test is skipped."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and its driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield opened
    finally:
        opened.quit()
