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

ORDER = (
    "index", "tour", "own-data", "data", "int8", "engines", "jetson", "sources", "web", "library",
    "config",
    "troubleshooting", "model-file", "models", "maskattn-s-synthetic", "published", "composed",
    "benchmarks", "architecture", "packages", "contributing", "changelog",
)  # fmt: skip
"""The order of reading; a page that is not named comes last."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Put the pages that are there in order."""
    own = {path.name for path in (ROOT / "docs").glob("*.md")}
    names = own | set(BESIDE_THE_CODE.values())
    rank = {f"{name}.md": number for number, name in enumerate(ORDER)}
    config.nav = sorted(names, key=lambda name: (rank.get(name, len(rank)), name))
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
