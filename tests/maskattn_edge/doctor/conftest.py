"""Machines that we do not have at hand; `origin` in each file says where its answers are from."""

from pathlib import Path

import pytest

from maskattn_edge.doctor import RecordedSystem, diagnose, read_recording

SYSTEMS = Path(__file__).parent / "systems"


@pytest.fixture
def recording():
    return lambda name: read_recording(SYSTEMS / f"{name}.json")


@pytest.fixture
def findings_of():
    """A recording, with changes -> its findings by name."""

    def find(recording):
        return {finding.name: finding for finding in diagnose(RecordedSystem(recording))}

    return find
