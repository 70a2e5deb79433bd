"""Data sets: layouts on disk, pictures, and whole splits in memory. Loads without torch."""

from maskattn_models.data.check import Report, check_dataset
from maskattn_models.data.conversion import ConversionSettings
from maskattn_models.data.dataset import (
    INVALID,
    DataSet,
    OfficialTruth,
    Sample,
    Truth,
    content_hash,
    label_table,
)
from maskattn_models.data.grids import GridStore, SegmentStore
from maskattn_models.data.layouts import READERS, open_dataset, recognised
from maskattn_models.data.pictures import load_image, load_labels, load_sample, load_segments
from maskattn_models.data.prepare import prepare
from maskattn_models.data.spread import spread
from maskattn_models.data.store import decode_split

__all__ = [
    "INVALID",
    "READERS",
    "ConversionSettings",
    "DataSet",
    "GridStore",
    "OfficialTruth",
    "Report",
    "Sample",
    "SegmentStore",
    "Truth",
    "check_dataset",
    "content_hash",
    "decode_split",
    "label_table",
    "load_image",
    "load_labels",
    "load_sample",
    "load_segments",
    "open_dataset",
    "prepare",
    "recognised",
    "spread",
]
