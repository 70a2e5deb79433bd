"""The one tree of errors that every package raises.

Each message is a single line that says what is wrong, where, and what to do. The command line
prints it without a traceback and exits with `exit_code`.
"""

from __future__ import annotations


class MaskAttnWarning(UserWarning):
    """Something works, but not as its user may expect; one clear sentence, as in an error."""


class MaskAttnError(Exception):
    """Anything this project refuses or fails at, with one clear sentence."""

    exit_code = 1


class ContractError(MaskAttnError, ValueError):
    """A value breaks a documented shape, dtype, range or name."""


class UsageError(ContractError):
    """The user asked for something that cannot be: an unknown option value, a missing argument."""

    exit_code = 2


class ModelFileError(MaskAttnError):
    """An ONNX file is missing, unreadable, hostile, or not a model of this contract."""


class CheckpointError(MaskAttnError):
    """A `.pt` file is missing, truncated, hostile, or not a checkpoint of this contract."""


class DataError(MaskAttnError):
    """A data set, an image, a label or a download cannot be used as it is."""


class EngineError(MaskAttnError):
    """An inference engine cannot be opened or fails while it runs."""


class EngineMismatchError(EngineError):
    """An engine was built for another device, version or model."""


class EngineVerificationError(EngineError):
    """An engine's answers differ from the golden answers in the model file."""


class SourceError(MaskAttnError):
    """Frames cannot be read from a camera, stream or file."""


class SourceRefusedError(SourceError):
    """A source says no, and will say no again: a wrong password, for example."""


class SinkError(MaskAttnError):
    """Results cannot be written or shown."""


class MissingDependencyError(MaskAttnError):
    """An optional package is not installed; the message holds the command that mends it."""


class TrainingError(MaskAttnError):
    """Training cannot go on, for example because the loss is no longer finite."""
