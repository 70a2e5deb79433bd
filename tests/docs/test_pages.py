"""The documents as pages: a strict build, and the links between documents and code."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "tools" / "docs_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "link", "page"),
    [
        ("docs/index.md", "[a](../benchmarks/README.md#latency)", "[a](benchmarks.md#latency)"),
        ("models/README.md", "[a](data.md)", "[a](data.md)"),
        ("models/README.md", "[a](zoo/maskattn-s-synthetic/train.sh)", "a"),
        ("models/data.md", "[a](../docs/web.md)", "[a](web.md)"),
        ("models/data.md", "[a](nothing.md)", "[a](nothing.md)"),
        ("docs/index.md", "[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
        ("docs/index.md", "![a](overlay.jpg)", "![a](overlay.jpg)"),
    ],
)
def test_links(source, link, page, hook):
    assert hook.with_links(link, source) == page


def test_a_page_in_no_section_is_an_error(hook, monkeypatch):
    sections = {name: dict(pages) for name, pages in hook.SECTIONS.items()}
    del sections["Start"]["Ten-minute tour"]
    monkeypatch.setattr(hook, "SECTIONS", sections)
    with pytest.raises(hook.PluginError, match="tour.md"):
        hook.on_config(SimpleNamespace())


def test_a_strict_build(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.name for path in tmp_path.glob("*.html")}
    assert {"index.html", "tour.html", "models.html", "benchmarks.html", "changelog.html"} <= pages
    assert "fonts.googleapis.com" not in (tmp_path / "index.html").read_text()
