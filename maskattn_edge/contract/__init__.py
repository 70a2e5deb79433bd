"""The contracts that all packages keep: model file, classes, errors. Imports no neighbour."""

from maskattn_edge.contract.classes import (
    IGNORE,
    ClassInfo,
    classes_json,
    numbered_classes,
    palette,
    read_classes,
)
from maskattn_edge.contract.model_file import (
    ModelFile,
    describe,
    read_model_file,
    write_model_file,
)
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec, TrainingSpec

__all__ = [
    "IGNORE",
    "ClassInfo",
    "InputSpec",
    "ModelFile",
    "ModelSpec",
    "PrecisionSpec",
    "TrainingSpec",
    "classes_json",
    "describe",
    "numbered_classes",
    "palette",
    "read_classes",
    "read_model_file",
    "write_model_file",
]
