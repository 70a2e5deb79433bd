"""A file is the last good one or the complete new one."""

import os
import stat

import pytest

from maskattn_edge.contract.atomic import replacing, write_bytes, write_text


def test_new_file_in_a_new_folder(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "grüße")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "grüße".encode()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_block_leaves_the_former_file(tmp_path, error):
    path = tmp_path / "x.bin"
    path.write_bytes(b"former")

    def fail():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"former"
    assert os.listdir(tmp_path) == ["x.bin"]


def test_suffix_and_permissions_are_those_of_the_result(tmp_path):
    with replacing(tmp_path / "x.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
    open(tmp_path / "y.png", "wb").close()
    mode = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("x.png", "y.png")]
    assert mode[0] == mode[1]


def test_an_unwritable_folder_is_an_os_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_bytes(tmp_path / "file" / "x", b"")
