"""From a checkpoint to verified, self-describing model files."""

from maskattn_export.settings import PRECISIONS, ExportSettings

__all__ = ["PRECISIONS", "ExportSettings"]
