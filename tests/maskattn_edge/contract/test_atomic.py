"""A file is the last good one or the complete new one."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from maskattn_edge.contract.atomic import check_writable, replacing, write_bytes, write_text


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


def test_a_pipe_is_written_into_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_writable(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"x" * 100_000)
    reader.join(5)
    assert read == [b"x" * 100_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_device_is_written_into_and_stays(tmp_path):
    link = tmp_path / "nowhere"  # not /dev/null itself: a fault would take it from the machine
    link.symlink_to(os.devnull)
    write_text(link, "x")
    assert stat.S_ISCHR(link.stat().st_mode)
    assert link.is_symlink()


def test_a_full_device_is_an_os_error(tmp_path):
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    if not link.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left"):
        write_text(link, "x")


def test_standard_output_keeps_what_it_holds(tmp_path):
    name = tmp_path / "stdout"
    name.symlink_to("/proc/self/fd/1")
    code = (
        "from pathlib import Path; from maskattn_edge.contract.atomic import write_text; "
        f"print('first', flush=True); write_text(Path({str(name)!r}), 'second\\n'); print('third')"
    )
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"
    assert name.is_symlink()


def test_a_stream_that_may_not_be_written_is_told_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError):
        check_writable(tmp_path / "pipe")
