"""Models by name, their cards, and how they are fetched."""

import hashlib
import json
from pathlib import Path

import pytest

import maskattn_edge
from maskattn_edge.cards import read_card
from maskattn_edge.contract.errors import DataError, ModelFileError, UsageError
from maskattn_edge.model_download import get_model
from maskattn_edge.models import card_path, find_model, shipped_models, user_models

ROOT = Path(maskattn_edge.__file__).parents[1]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user without models."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home" / ".local" / "share" / "maskattn-edge" / "models"


@pytest.fixture
def pinned(tiny_model):
    return hashlib.sha256(tiny_model.read_bytes()).hexdigest()


def test_names_and_paths(home, tiny_model, tmp_path, monkeypatch):
    home.mkdir(parents=True)
    (home / "floor.onnx").write_bytes(tiny_model.read_bytes())
    (home / ".floor.0123.onnx").write_bytes(b"half")
    assert list(user_models()) == ["floor"]
    assert find_model(Path("floor")) == home / "floor.onnx"
    assert find_model(Path("default")) == find_model(None) == shipped_models()["default"]
    for path in ("none.onnx", "folder/floor", "best.pt"):
        assert find_model(Path(path)) == Path(path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "floor").touch()
    assert find_model(Path("floor")) == Path("floor")
    with pytest.raises(ModelFileError, match="wall: no such file.*here are: floor, default"):
        find_model(Path("wall"))


def test_every_shipped_model_has_a_card():
    for name in shipped_models():
        assert read_card(card_path(name)) is not None


def test_the_card_says_what_was_measured():
    card = read_card(card_path("default"))
    results = ROOT / "benchmarks" / "results" / "h100-2026-11-23"
    files = ("best.pt", "best.fp32.onnx", "best.fp16.onnx", "best.int8.onnx")
    zoo = (ROOT / "models" / "zoo" / card.name / "README.md").read_text()
    for each, file in zip(card.figures, files, strict=True):
        measured = json.loads((results / f"synthetic-{file}.test.json").read_text())
        assert each.miou_grid == round(100 * measured["grid"]["miou"], 2)
        assert each.miou_full == round(100 * measured["full"]["miou"], 2)
        assert f"| {each.file} | {each.miou_grid} | {each.miou_full} |" in zoo
    assert all((ROOT / line.split()[1]).is_file() for line in card.reproduce)


def test_the_size_on_the_card_is_the_files():
    size = shipped_models()["default"].stat().st_size / 1e6
    assert read_card(card_path("default")).figures[-1].megabytes == round(size, 1)


def test_a_foreign_card(tmp_path):
    (tmp_path / "card.json").write_text('{"name": 1}')
    assert read_card(tmp_path / "none.json") is None
    with pytest.raises(ModelFileError, match="cannot be read as a card"):
        read_card(tmp_path / "card.json")


def test_a_model_is_fetched_and_found_by_its_name(home, server, tiny_model, pinned):
    server.files["floor-s.onnx"] = tiny_model.read_bytes()
    url = f"{server.url}/floor-s.onnx?version=3"
    server.files["floor-s.onnx?version=3"] = tiny_model.read_bytes()
    assert get_model(url, sha256=f"sha256:{pinned.upper()}") == home / "floor-s.onnx"
    assert find_model(Path("floor-s")).read_bytes() == tiny_model.read_bytes()
    assert [path.name for path in home.iterdir()] == ["floor-s.onnx"]
    get_model(url, sha256=pinned)
    assert len(server.asked) == 1


def test_an_interrupted_download_goes_on(home, server, tiny_model, pinned):
    server.files["floor.onnx"] = tiny_model.read_bytes()
    server.cuts = [100]

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_model(f"{server.url}/floor.onnx", sha256=pinned, progress=interrupt)
    assert user_models() == {}
    get_model(f"{server.url}/floor.onnx", sha256=pinned)
    assert server.asked == [None, "bytes=100-"]
    assert list(user_models()) == ["floor"]


def test_another_file_is_not_kept(home, server, tiny_model, pinned):
    server.files["floor.onnx"] = tiny_model.read_bytes()[:-1] + b"x"
    with pytest.raises(DataError, match="its SHA-256 is"):
        get_model(f"{server.url}/floor.onnx", sha256=pinned)
    assert list(home.iterdir()) == []


def test_a_file_that_is_no_model_is_not_kept(home, server):
    server.files["floor.onnx"] = b"no model"
    digest = hashlib.sha256(b"no model").hexdigest()
    with pytest.raises(ModelFileError):
        get_model(f"{server.url}/floor.onnx", sha256=digest)
    assert list(home.iterdir()) == []


def test_a_server_that_sends_too_much_is_stopped(home, server, monkeypatch):
    monkeypatch.setattr("maskattn_edge.model_download.MAX_FILE_BYTES", 10)
    server.files["floor.onnx"] = b"x" * 11
    with pytest.raises(DataError, match="more than the 10 bytes"):
        get_model(f"{server.url}/floor.onnx", sha256="0" * 64)
    assert list(home.iterdir()) == []


def test_from_a_file(tiny_model, pinned, tmp_path):
    out = tmp_path / "new" / "copy.onnx"
    assert get_model(f"file://{tiny_model}", sha256=pinned, out=out) == out
    assert get_model(str(tiny_model), sha256=pinned, out=out) == out
    with pytest.raises(DataError, match="is there already, with another SHA-256"):
        get_model(str(tiny_model), sha256="0" * 64, out=out)
    out.unlink()
    with pytest.raises(DataError, match="its SHA-256 is"):
        get_model(str(tiny_model), sha256="0" * 64, out=out)
    with pytest.raises(DataError, match="no such file"):
        get_model("nothing.onnx", sha256=pinned, out=out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "digest", "text"),
    [
        ("https://x.org/a.onnx", "12", "64 hexadecimal digits"),
        ("ftp://x.org/a.onnx", "0" * 64, "by http, https or from a file"),
        ("https://x.org/download", "0" * 64, "give one with --out"),
        ("https://x.org/..%2f.onnx", "0" * 64, "give one with --out"),
        ("https://x.org/default.onnx", "0" * 64, "name of a shipped model"),
    ],
)
def test_wrong_requests(source, digest, text):
    with pytest.raises(UsageError, match=text):
        get_model(source, sha256=digest)
