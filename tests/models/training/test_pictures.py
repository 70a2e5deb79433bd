import cv2
import pytest

from maskattn_models.training.curves import write_curves
from maskattn_models.training.history import EpochRow, to_rows, write_history


def row(epoch, miou):
    return EpochRow(
        epoch=epoch,
        loss=1 / epoch,
        val_miou=miou,
        val_pixel_accuracy=0.5,
        lr=1e-3,
        seconds=1.0,
        images_per_second=9.0,
    )


@pytest.mark.parametrize("count", [1, 2, 30])
def test_curves_of_short_and_long_runs(tmp_path, count):
    write_curves(tmp_path / "curves.png", [row(n + 1, n / 30) for n in range(count)], title="t")
    assert cv2.imread(str(tmp_path / "curves.png")).std() > 1


def test_history_is_written_and_read(tmp_path):
    rows = [row(1, 0.25)]
    write_history(tmp_path / "history.csv", rows)
    head, line = (tmp_path / "history.csv").read_text().splitlines()
    assert head == "epoch,loss,val_miou,val_pixel_accuracy,lr,seconds,images_per_second"
    assert line == "1,1.0,0.25,0.5,0.001,1.0,9.0"
    assert to_rows([vars(rows[0])]) == rows
