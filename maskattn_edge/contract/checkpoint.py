"""Names and limits of a checkpoint, `.pt`; read with `weights_only=True`, always.

A checkpoint is one dictionary of plain data and tensors:

- `format`, `version`: the two constants below.
- `task`, `network` (configuration of the graph), `weights` (state dict, averaged weights),
  `classes`, `input` (height, width, resize).
- `training`: data set, hash, settings, epochs done, versions; `metrics`; `history` per epoch.
- `samples`: calibration images of the training split and held-out images with labels, and with
  instances where the task tells objects apart, as the bytes of PNG files, each kind in one uint8
  tensor with the files' lengths.
- `resume`: optimizer, random states and whatever training needs to go on; absent in a
  checkpoint that is only for export.
"""

from __future__ import annotations

FORMAT = "maskattn-edge checkpoint"
VERSION = 1

MAX_CHECKPOINT_BYTES = 4 * 2**30
"""Upper bound of the file and of what it unpacks to."""

MAX_CALIBRATION = 128
MAX_HELD_OUT = 64
MAX_SAMPLE_BYTES = 2 * 2**20
"""Upper bound of one encoded picture."""
