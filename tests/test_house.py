"""The house's rules: who may import whom, and what is loaded when."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "maskattn_edge": ROOT / "maskattn_edge",
    "maskattn_models": ROOT / "models" / "maskattn_models",
    "maskattn_export": ROOT / "export" / "maskattn_export",
    "maskattn_benchmarks": ROOT / "benchmarks" / "maskattn_benchmarks",
}
HEAVY = {
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "tensorrt",
    "cuda",
    "matplotlib",
    "sklearn",
    "faster_coco_eval",
}


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    base = PACKAGES[package]
    files = sorted(base.rglob("*.py"))
    names = [".".join((package, *file.relative_to(base).with_suffix("").parts)) for file in files]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def test_loading_any_module_of_the_robots_package_loads_nothing_heavy():
    imports = "\n".join(f"import {name}" for name in modules_of("maskattn_edge"))
    loaded = modules_after(imports)
    assert not (HEAVY | set(PACKAGES) - {"maskattn_edge"}) & loaded


@pytest.mark.parametrize("module", ["maskattn_models.data", "maskattn_models.evaluation"])
def test_data_and_evaluation_load_without_torch(module):
    assert not HEAVY & modules_after(f"import {module}")


def test_importing_the_package_loads_neither_opencv_nor_onnxruntime():
    assert not {"cv2", "onnxruntime", "rich", "typer"} & modules_after("import maskattn_edge")


def test_the_checks_above_can_fail():
    assert {"torch", "maskattn_models"} <= modules_after("import maskattn_models.network")
    assert "cv2" in modules_after("import maskattn_edge.preprocess")


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    command = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    return subprocess.run(
        [sys.executable, "-c", command, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path):
    """A copy of the four packages, side by side."""
    for name, folder in PACKAGES.items():
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("*.onnx"))
    return tmp_path


def test_import_rules_hold(tree):
    done = lint_imports(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("maskattn_edge/preprocess.py", "import torch"),
        ("maskattn_edge/segmentation.py", "import maskattn_models"),
        ("maskattn_edge/contract/spec.py", "import maskattn_edge.engines"),
        ("maskattn_edge/sources/__init__.py", "import maskattn_edge.sinks"),
        ("maskattn_models/network.py", "import maskattn_export"),
        ("maskattn_benchmarks/__init__.py", "import maskattn_models"),
    ],
)
def test_the_import_rules_can_fail(tree, file, statement):
    path = tree / file
    path.write_text(path.read_text() + f"\n{statement}\n")
    done = lint_imports(tree)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
