"""What this machine can do, what keeps it from doing more, and the command that mends it."""

from maskattn_edge.doctor.finding import Finding, Status
from maskattn_edge.doctor.recording import (
    RecordedSystem,
    Recorder,
    Recording,
    read_recording,
    write_recording,
)
from maskattn_edge.doctor.system import System
from maskattn_edge.doctor.table import CHECKS, diagnose
from maskattn_edge.doctor.this_system import ThisSystem

__all__ = [
    "CHECKS",
    "Finding",
    "RecordedSystem",
    "Recorder",
    "Recording",
    "Status",
    "System",
    "ThisSystem",
    "diagnose",
    "read_recording",
    "write_recording",
]
