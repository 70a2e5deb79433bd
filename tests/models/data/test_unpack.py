from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from maskattn_edge.contract.errors import DataError
from maskattn_models.data.unpack import unpack


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def run(tmp_path, data: bytes, told=None):
    path = tmp_path / "archive"
    path.write_bytes(data)
    told = [] if told is None else told
    unpack(path, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    return sorted(
        file.relative_to(tmp_path / "out").as_posix()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    )


def test_zips_inside_a_zip_are_unpacked_beside_it_and_removed(tmp_path):
    inner = zip_of({"panoptic/1.png": b"1", "panoptic/2.png": b"2", "__MACOSX/x": b"x"})
    told = []
    found = run(tmp_path, zip_of({"annotations/a.json": b"{}", "annotations/p.zip": inner}), told)
    assert found == ["annotations/a.json", "panoptic/1.png", "panoptic/2.png"]
    assert told[-1] == (2, 2)


def test_an_interrupted_call_can_be_repeated(tmp_path):
    inner = zip_of({"p/1.png": b"1", "p/2.png": b"2"})
    data = zip_of({"a/p.zip": inner, "b.txt": b"b"})
    path = tmp_path / "archive"
    path.write_bytes(data)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(path, tmp_path / "out", progress=interrupt)
    assert (tmp_path / "out/a/p.zip").exists()
    before = (tmp_path / "out/p/1.png").stat().st_mtime_ns
    assert run(tmp_path, data) == ["b.txt", "p/1.png", "p/2.png"]
    assert (tmp_path / "out/p/1.png").stat().st_mtime_ns == before


def test_a_file_of_another_size_is_written_again(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.txt").write_bytes(b"half")
    run(tmp_path, zip_of({"b.txt": b"whole"}))
    assert (tmp_path / "out/b.txt").read_bytes() == b"whole"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:/x", "..\\x", "a/..", "\\x"])
def test_no_member_leaves_the_folder(tmp_path, name):
    with pytest.raises(DataError, match="would be written outside the folder"):
        run(tmp_path, zip_of({"fine": b"", name: b"x"}))
    with pytest.raises(DataError, match="would be written outside the folder"):
        run(tmp_path, tar_of((tarfile.TarInfo(name), b"x")))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_tar_is_unpacked(tmp_path):
    folder = tarfile.TarInfo("i")
    folder.type = tarfile.DIRTYPE
    assert run(tmp_path, tar_of((folder, b""), (tarfile.TarInfo("i/1.png"), b"1"))) == ["i/1.png"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(DataError, match="'x' is a link or device, which is never unpacked"):
        run(tmp_path, tar_of((info, b"")))


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("x")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="'x' is a link, which is never unpacked"):
        run(tmp_path, buffer.getvalue())


def damaged_member() -> bytes:
    data = bytearray(zip_of({"b.txt": b"a" * 1000}))
    data[40] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [b"nothing", b"", zip_of({"a": b"a" * 99})[:-8], damaged_member(),
     tar_of((tarfile.TarInfo("i"), b"1" * 3000))[:2000]],
)  # fmt: skip
def test_a_damaged_archive_is_one_line_and_leaves_no_file(tmp_path, data):
    with pytest.raises(DataError, match="a damaged archive .*remove it and run the same") as caught:
        run(tmp_path, data)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".b.txt.tmp").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left on device"):
        run(tmp_path, zip_of({"b.txt": b"a" * 10}))
    assert list((tmp_path / "out").iterdir()) == []
