"""The judge of the base install: sizes, licences, bundled libraries. Installing is CI's work."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "tools" / "base_install.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("base_install", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(**changes):
    return {
        "name": "a", "version": "1", "bytes": 1_000_000, "libraries": [], "licence": "MIT",
        "classifiers": [], "text": [], **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"bytes": 11_000_000}, "11 MB are above the limit of 10"),
        ({"licence": "GPL-3.0-or-later"}, "a is under GPL-3.0-or-later"),
        ({"licence": "LGPL-2.1-only"}, None),
        ({"licence": "AGPL-3.0"}, "a is under AGPL-3.0"),
        (
            {"licence": "", "classifiers": ["License :: GNU General Public License v2"]},
            "a is under GNU General Public License v2",
        ),
        (
            {"licence": "", "classifiers": ["License :: GNU Lesser General Public"]},
            None,
        ),
        (
            {"libraries": ["libx264-d6533a8d.so.165"]},
            "a bundles libx264-d6533a8d.so.165, which are under the GPL",
        ),
    ],
)  # fmt: skip
def test_what_is_judged(changes, fault, tool):
    assert tool.judged([package(**changes)], 10) == ([] if fault is None else [fault])


def test_the_licence_that_is_stated_most_exactly(tool):
    assert tool.licence_of(package(licence="", text=["BSD"])) == "BSD"
    assert tool.licence_of(package(licence="")) == "not stated"


def test_a_table(tool, capsys):
    tool.report([package()])
    assert capsys.readouterr().out.endswith("| a | 1 | 1.0 | MIT |\n| all | | 1.0 | |\n")


def test_the_document_names_the_limit(tool):
    text = (PATH.parents[1] / "docs" / "packages.md").read_text()
    assert f"fails above {tool.LIMIT_MB} MB" in text
