import pytest

from maskattn_export.decision import Candidate, decide


def candidate(precision, loss, ms, megabytes, agreement=1.0):
    return Candidate(
        name=f"m.{precision}.onnx",
        precision=precision,
        loss=loss,
        agreement=agreement,
        frame_ms=ms,
        megabytes=megabytes,
    )


FP32 = candidate("fp32", 0.0, 6.0, 5.0)
FP16 = candidate("fp16", 0.01, 6.1, 2.5)


@pytest.mark.parametrize(
    ("int8", "shipped"),
    [
        (candidate("int8", 0.3, 3.0, 1.3), "int8"),  # fastest, within the budget
        (candidate("int8", 0.6, 3.0, 1.3), "fp16"),  # beyond the budget: as fast as fp32, smaller
        (candidate("int8", 0.3, 7.0, 1.3), "fp16"),  # slower
        (candidate("int8", None, 3.0, 1.3, agreement=0.95), "fp16"),  # no labels, agrees little
        (candidate("int8", None, 3.0, 1.3, agreement=0.995), "int8"),
    ],
)
def test_what_is_shipped(int8, shipped):
    found = decide([FP32, FP16, int8], budget=0.5, metric="mIoU", engine="openvino (CPU)")
    assert found.precision == shipped
    assert found.line.startswith(f"ship m.{shipped}.onnx: ")
    assert "\n" not in found.line


def test_the_line_has_the_reasons():
    int8 = candidate("int8", 0.6, 3.0, 1.3)
    line = decide([FP32, FP16, int8], budget=0.5, metric="mIoU", engine="openvino (CPU)").line
    assert "loses 0.01 points of mIoU (budget 0.5)" in line
    assert "6.10 ms (fp32 6.00, int8 3.00) on openvino (CPU)" in line
    assert "2.50 MB (fp32 5.00, int8 1.30)" in line
    assert "int8 loses 0.60 points of mIoU (budget 0.5)" in line


def test_fp32_alone_is_shipped_whatever_it_loses():
    odd = candidate("fp32", 3.0, 6.0, 5.0)
    assert decide([odd], budget=0.5, metric="PQ", engine="e").precision == "fp32"


def test_what_was_left_out_is_said():
    line = decide([FP32], budget=0, metric="PQ", engine="e", left_out="INT8 was not written").line
    assert line.endswith("; INT8 was not written")


def test_what_the_times_do_not_say_is_said():
    line = decide(
        [FP32], budget=0, metric="PQ", engine="e", caveat="CPU engines were measured"
    ).line
    assert line.endswith("; CPU engines were measured")
