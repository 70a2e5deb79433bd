"""The studies are scripts, no package: tests load them as a command line would."""

import importlib
import sys
from pathlib import Path

import pytest

STUDIES = Path(__file__).parents[2] / "models" / "studies"


@pytest.fixture(scope="module")
def load_study():
    """From the name of a script to its module; forgotten after the test's module."""
    before = set(sys.modules)
    sys.path.insert(0, str(STUDIES))
    yield importlib.import_module
    sys.path.remove(str(STUDIES))
    own = {path.stem for path in STUDIES.glob("*.py")}
    for name in own & set(sys.modules) - before:
        del sys.modules[name]
