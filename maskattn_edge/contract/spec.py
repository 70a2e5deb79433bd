"""What a model file says of itself: `metadata_props["maskattn_edge"]`, JSON, schema 1.

Every size is bounded, because a model file may come from a stranger. The pictures inside are
kept as encoded bytes and decoded only by who needs them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from maskattn_edge.contract.classes import MAX_CLASSES, ClassInfo, numbered_classes
from maskattn_edge.contract.errors import ModelFileError
from maskattn_edge.contract.versioned_json import decode_versioned

SCHEMA = 1
"""Version of this contract; raised when a reader of the former version would go wrong."""

RANDOM_WEIGHTS = "none: random weights, for speed and memory only"
"""What `TrainingSpec.data` says of a file whose labels mean nothing."""

MAX_SPEC_BYTES = 16 * 2**20
"""Upper bound of the JSON text, samples included."""

Task = Literal["semantic", "instance", "panoptic"]
TASKS: tuple[Task, ...] = ("semantic", "instance", "panoptic")

_Side = Annotated[int, msgspec.Meta(ge=8, le=4096)]
_Short = Annotated[str, msgspec.Meta(max_length=256)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_Blob = Annotated[bytes, msgspec.Meta(max_length=2 * 2**20)]
_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Names = Annotated[dict[_Short, _Short], msgspec.Meta(max_length=64)]


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network's input: pixels, colour order, and how a frame is brought to this size."""

    height: _Side
    width: _Side
    color_order: Literal["RGB"] = "RGB"
    resize: Literal["stretch", "letterbox"] = "stretch"


class KeptLayer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the network that was left in a higher precision, and why."""

    name: _Short
    reason: _Short


class PrecisionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers inside the file: the precision asked for, and what was kept above it."""

    name: Literal["fp32", "fp16", "int8"]
    kept: Annotated[tuple[KeptLayer, ...], msgspec.Meta(max_length=1024)] = ()
    method: _Text = ""


class TrainingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights came about. `metrics` are fractions in [0, 1]."""

    data: _Short = ""
    data_sha256: _Short = ""
    grid: tuple[_Side, _Side] | None = None
    metrics: Annotated[dict[_Short, float], msgspec.Meta(max_length=64)] = {}
    seed: int | None = None
    epochs: int | None = None
    commit: _Short = ""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the file came from: SHA-256 of the checkpoint, versions of the tools."""

    checkpoint_sha256: _Short = ""
    versions: _Names = {}


class Licences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Licences of the weights and of the data that they were trained on."""

    weights: _Text = "not stated"
    data: _Text = "not stated"


class Golden(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An input and the fp32 answer to it, which every engine is checked against.

    `image` and `labels` are PNG files of the input's size: RGB, and 8-bit class indices. Where
    the task tells objects apart, `instances` is a PNG of the same size, 0 or a row of the tables,
    from 1, and the tables have a row each for class and score, 0 = unused; boxes are the bounds of
    the instances. A semantic file has none of them and reads as it did before there were any.
    """

    image: _Blob
    labels: _Blob
    instances: _Blob = b""
    instance_class: Annotated[tuple[_Byte, ...], msgspec.Meta(max_length=255)] = ()
    instance_score: Annotated[tuple[_Share, ...], msgspec.Meta(max_length=255)] = ()

    def __post_init__(self) -> None:
        if len(self.instance_class) != len(self.instance_score):
            raise ValueError("a sample's instance tables differ in length")
        if bool(self.instances) != bool(self.instance_class):
            raise ValueError("a sample has instances without tables, or tables without instances")


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a runtime must know of a model beside its graph."""

    schema: Literal[1] = 1
    name: _Short
    task: Task
    classes: Annotated[tuple[ClassInfo, ...], msgspec.Meta(min_length=1, max_length=MAX_CLASSES)]
    input: InputSpec
    precision: PrecisionSpec
    training: TrainingSpec = TrainingSpec()
    provenance: Provenance = Provenance()
    licences: Licences = Licences()
    samples: Annotated[tuple[Golden, ...], msgspec.Meta(max_length=16)] = ()


def encode_spec(spec: ModelSpec) -> str:
    """The JSON text of `spec`.

    Raises:
        ModelFileError: it is longer than `MAX_SPEC_BYTES`.
    """
    text = msgspec.json.encode(spec)
    if len(text) > MAX_SPEC_BYTES:
        raise ModelFileError(
            f"the model's description has {len(text):,} bytes, at most {MAX_SPEC_BYTES:,} are "
            "possible: store fewer or smaller samples"
        )
    return text.decode()


def decode_spec(text: str | bytes) -> ModelSpec:
    """Read the JSON text of a model's description, as from a stranger.

    Raises:
        ModelFileError: it is too long, not JSON, of another schema, or breaks a bound.
    """
    if len(text) > MAX_SPEC_BYTES:
        raise ModelFileError(
            f"its description has {len(text):,} bytes, at most {MAX_SPEC_BYTES:,} are possible"
        )
    return decode_versioned(
        text,
        ModelSpec,
        schema=SCHEMA,
        error=ModelFileError,
        what="its description",
        remedy="export the checkpoint again, or install the version that wrote the file",
    )


def undescribed_spec(
    *, name: str, task: Task, height: int, width: int, classes: int = MAX_CLASSES
) -> ModelSpec:
    """The description of a file that has none: classes named by number, stretched input."""
    return ModelSpec(
        name=name,
        task=task,
        classes=numbered_classes(classes),
        input=InputSpec(height=height, width=width),
        precision=PrecisionSpec(name="fp32", method="not stated in the file"),
    )
