"""Hook of MkDocs: documents that lie beside the code become pages, and links between all hold.

A document stays where its code is, so that it is read and changed there. Links to files that are no
pages, such as scripts, become plain text.
"""

# ruff: noqa: ANN401 - types of MkDocs, whose own are not stable
from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]

BESIDE_THE_CODE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "models/README.md": "models.md",
    "models/composed.md": "composed.md",
    "models/data.md": "data.md",
    "models/published.md": "published.md",
    "models/zoo/maskattn-s-synthetic/README.md": "maskattn-s-synthetic.md",
}
"""Path in the repository -> name of its page."""

SECTIONS = {
    "Start": {
        "Overview": "index", "Ten-minute tour": "tour", "Your own data": "own-data",
        "On a Jetson": "jetson", "Error messages": "troubleshooting",
    },
    "Run": {
        "Sources and videos": "sources", "Engines": "engines", "The live page": "web",
        "Configuration": "config", "From Python": "library",
    },
    "Models": {
        "Data sets": "data", "Networks and comparisons": "models", "INT8": "int8",
        "The model file": "model-file", "The shipped model": "maskattn-s-synthetic",
        "Published checkpoints": "published", "Composed panoptic set": "composed",
    },
    "Project": {
        "How it is measured": "benchmarks", "What is installed": "packages",
        "Architecture": "architecture", "Contributing": "contributing", "Changelog": "changelog",
    },
}  # fmt: skip
"""Every page by its short title, in the order of reading."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Put the pages in order; one that is in no section would be found by nobody, so it fails."""
    there = {path.name for path in (ROOT / "docs").glob("*.md")} | set(BESIDE_THE_CODE.values())
    named = {f"{page}.md" for pages in SECTIONS.values() for page in pages.values()}
    if there != named:
        raise PluginError(f"not in SECTIONS, or not there: {', '.join(sorted(there ^ named))}")
    config.nav = [
        {section: [{title: f"{page}.md"} for title, page in pages.items()]}
        for section, pages in SECTIONS.items()
    ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the documents that lie beside the code."""
    for source, page in BESIDE_THE_CODE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=with_links(text, source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let documents in docs/ link to those beside the code by their path, as on a code host."""
    if page.file.src_uri in BESIDE_THE_CODE.values():
        return markdown
    return with_links(markdown, f"docs/{page.file.src_uri}")


def with_links(text: str, source: str) -> str:
    """The text of `source`, a path in the repository, with its links as pages have them."""

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        if re.match(r"[a-z]+:", target):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in BESIDE_THE_CODE:
            return f"[{label}]({BESIDE_THE_CODE[path]}{anchor})"
        if path.startswith("docs/"):
            return f"[{label}]({path.removeprefix('docs/')}{anchor})"
        return label if (ROOT / path).exists() else found[0]  # a dead link stays, and is reported

    return _LINK.sub(link, text)
