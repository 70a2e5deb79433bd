"""Every command in the documents is a line that the program takes; those that need nothing run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from maskattn_edge.cli import app
from maskattn_edge.cli.commands import load_command

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERY_PAGE = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("[mb]*/*.md"))]
OWN = ("tour", "config", "model-file", "troubleshooting", "library")
"""Pages with commands that are run here; blocks of one page follow each other in one folder."""

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page):
    return _BLOCK.findall(page.read_text())


def needs_something(block):
    return block.startswith("# needs: ")


def commands(block):
    """The lines of a block, without comments; lines that go on are one."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


LINES = [
    (page.name, shlex.join(words[index:]))
    for page in PAGES
    for block in blocks(page)
    for words in commands(block)
    for index, word in enumerate(words)
    if word.endswith("maskattn-edge") and index + 1 < len(words) and "docker" not in words
    and words[0] not in ("pip", "sudo", "systemctl")
]  # fmt: skip


@pytest.mark.parametrize(("page", "line"), LINES)
def test_every_command_parses(page, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    words = app.with_web_address(shlex.split(line)[1:])
    if words in (["--install-completion"], ["--show-completion"]):
        return  # typer's own
    context = get_command(app.app).make_context("maskattn-edge", list(words), obj=app._Options())
    name, *rest = [*context._protected_args, *context.args]
    command = load_command(name)
    while True:
        context = command.make_context(name, list(rest), parent=context)
        left = [*getattr(context, "_protected_args", []), *context.args]
        if not hasattr(command, "commands") or not left:
            return
        name, *rest = left
        command = command.commands[name]


def test_there_are_commands():
    assert len(LINES) > 30


@pytest.fixture
def shell(tmp_path):
    """A folder, and a shell that finds this checkout under the program's name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    write_program(programs / "maskattn-edge", f'exec {sys.executable} -m maskattn_edge "$@"')
    write_program(programs / "pip", 'echo "$@" >> "$HOME/installed"')
    work = tmp_path / "work"
    work.mkdir()
    environment = {
        **os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }  # fmt: skip

    def run(block):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], cwd=work, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def write_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", OWN)
def test_commands_that_need_nothing_run(name, shell, tmp_path):
    ran = [block for block in blocks(ROOT / "docs" / f"{name}.md") if not needs_something(block)]
    assert ran
    for block in ran:
        done = shell(block)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
    if name == "tour":
        assert (tmp_path / "work" / "overlay.png").stat().st_size > 10_000
        assert len((tmp_path / "work" / "frames.jsonl").read_text().splitlines()) == 30


@pytest.mark.skipif(not os.environ.get("MASKATTN_SLOW"), reason="minutes; MASKATTN_SLOW=1 runs it")
def test_the_tours_training_runs(shell):
    pytest.importorskip("torch")
    (block,) = [each for each in blocks(ROOT / "docs" / "tour.md") if "maskattn-edge train" in each]
    done = shell(block)
    assert done.returncode == 0, done.stderr


def test_a_wrong_command_would_be_found(shell):
    assert shell("maskattn-edge run --fly\n").returncode == 2


def test_every_page_runs_or_says_what_it_needs():
    """A page that is not in OWN may hold no command that needs nothing."""
    for page in PAGES[1:]:
        if page.stem not in OWN:
            assert all(needs_something(block) for block in blocks(page)), page.name


def test_what_else_is_called_exists():
    """`make` targets, modules of `python -m` and scripts, in blocks and within sentences."""
    text = "\n".join(page.read_text() for page in EVERY_PAGE)
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, re.MULTILINE))
    assert {"demo", "test"} <= made <= set(targets)
    modules = set(re.findall(r"python -m (maskattn_\w+\.\w+)", text))
    assert modules
    names = [module.replace(".", "/") for module in modules]
    found = [[*ROOT.glob(f"*/{name}.py"), *ROOT.glob(f"*/{name}/__main__.py")] for name in names]
    assert all(found), names
    scripts = set(re.findall(r"(?:python|sh) ((?:tools|models|tests|benchmarks)/[\w/.-]+)", text))
    assert scripts
    assert [each for each in scripts if not (ROOT / each).is_file()] == []


def test_what_is_installed_is_an_extra_that_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = "\n".join(page.read_text() for page in PAGES)
    groups = re.findall(r"maskattn-edge\[([\w,]+)\]", text)
    named = {name for group in groups for name in group.split(",")}
    assert named
    assert named <= set(project["optional-dependencies"])


def test_messages_under_troubleshooting_are_ours():
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)
    assert len(messages) > 12
    sources = "\n".join(
        path.read_text()
        for package in ("maskattn_edge", "models/maskattn_models", "export/maskattn_export")
        for path in (ROOT / package).rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", sources)
    assert [each for each in messages if each not in joined] == []


def test_the_configuration_in_the_document_is_right(tmp_path):
    from maskattn_edge.cli.config_file import read_settings

    text = (ROOT / "docs" / "config.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "a.toml").write_text(block)
    settings = read_settings((tmp_path / "a.toml",))
    assert [words for words, values in settings.items() if values] == [
        ("run",),
        ("benchmark",),
        ("data", "prepare", "coco"),
    ]


def test_the_outputs_in_the_document_are_those_of_the_contract():
    from maskattn_edge.contract.spec import ModelSpec

    text = (ROOT / "docs" / "model-file.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(ModelSpec.__struct_fields__) <= named
    assert {"labels", "instances", "instance_class", "instance_score", "instance_box"} <= named
