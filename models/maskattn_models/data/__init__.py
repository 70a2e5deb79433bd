"""Data sets: layouts on disk, pictures, and whole splits in memory. Loads without torch."""

from maskattn_models.data.dataset import INVALID, DataSet, Sample, content_hash, label_table
from maskattn_models.data.layouts import READERS, open_dataset, recognised
from maskattn_models.data.pictures import load_image, load_labels, load_sample
from maskattn_models.data.spread import spread
from maskattn_models.data.store import GridStore, decode_split

__all__ = [
    "INVALID",
    "READERS",
    "DataSet",
    "GridStore",
    "Sample",
    "content_hash",
    "decode_split",
    "label_table",
    "load_image",
    "load_labels",
    "load_sample",
    "open_dataset",
    "recognised",
    "spread",
]
