from __future__ import annotations

import hashlib
import shutil

import pytest

from maskattn_edge import disk
from maskattn_edge.contract.errors import DataError
from maskattn_edge.download import Remote, download

DATA = bytes(range(256)) * 5000


@pytest.fixture
def remote(server):
    server.files["set.zip"] = DATA
    digest = hashlib.sha256(DATA).hexdigest()
    return Remote(url=f"{server.url}/set.zip", size=len(DATA), sha256=digest)


def fetch(remote, target, told=None):
    waits: list[float] = []
    told = [] if told is None else told
    digest = download(
        remote, target, progress=lambda done, total: told.append((done, total)), sleep=waits.append
    )
    return digest, waits


def test_a_file_appears_under_its_name_when_it_is_verified(server, remote, tmp_path):
    told = []
    digest, waits = fetch(remote, tmp_path / "new" / "set.zip", told)
    assert digest == remote.sha256
    assert (tmp_path / "new" / "set.zip").read_bytes() == DATA
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["set.zip"]
    assert told[-1] == (len(DATA), len(DATA))
    assert waits == []
    assert server.asked == [None]


def test_a_lost_connection_is_taken_up_where_it_broke(server, remote, tmp_path):
    server.cuts = [300_000, 400_000]
    _, waits = fetch(remote, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]
    assert waits == [2.0, 2.0]  # counted anew whenever something came


def test_an_interrupted_download_resumes_in_the_next_call(server, remote, tmp_path):
    server.cuts = [500_000]
    with pytest.raises(KeyboardInterrupt):
        download(
            remote, tmp_path / "set.zip", progress=lambda *_: interrupt(), sleep=lambda _: None
        )
    kept = (tmp_path / "set.zip.part").stat().st_size
    assert 0 < kept <= 500_000
    assert not (tmp_path / "set.zip").exists()
    fetch(remote, tmp_path / "set.zip")
    assert server.asked[1:] == [f"bytes={kept}-"]
    assert (tmp_path / "set.zip").read_bytes() == DATA


def interrupt():
    raise KeyboardInterrupt


def test_a_server_without_ranges_is_asked_for_all_again(server, remote, tmp_path):
    server.ranges = False
    server.cuts = [300_000]
    fetch(remote, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_corrupted_download_is_refused_and_fetched_anew(server, remote, tmp_path):
    server.files["set.zip"] = DATA[:-1] + b"x"
    with pytest.raises(DataError, match="its SHA-256 is .* it was removed: run the same command"):
        fetch(remote, tmp_path / "set.zip")
    assert list(tmp_path.iterdir()) == []
    server.files["set.zip"] = DATA
    fetch(remote, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_wrong_beginning_is_found_after_resuming(remote, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="its SHA-256 is"):
        fetch(remote, tmp_path / "set.zip")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_verified_and_not_fetched(server, remote, tmp_path):
    (tmp_path / "set.zip").write_bytes(DATA)
    assert fetch(remote, tmp_path / "set.zip")[0] == remote.sha256
    (tmp_path / "set.zip").write_bytes(DATA[:10])
    with pytest.raises(DataError, match="has 10 bytes, 1,280,000 are expected: remove it"):
        fetch(remote, tmp_path / "set.zip")
    assert server.asked == []


@pytest.mark.parametrize("part", [DATA, DATA + b"more"])
def test_a_complete_or_overlong_part(remote, tmp_path, part):
    (tmp_path / "set.zip.part").write_bytes(part)
    fetch(remote, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == DATA


@pytest.mark.parametrize("part", [b"", DATA[:5], DATA, DATA + b"more"])
def test_a_file_of_unknown_size(server, tmp_path, part):
    server.files["set.zip"] = DATA
    (tmp_path / "set.zip.part").write_bytes(part)
    fetch(Remote(url=f"{server.url}/set.zip"), tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, remote, tmp_path):
    server.status = [503, 503]
    assert fetch(remote, tmp_path / "set.zip")[1] == [2.0, 4.0]
    with pytest.raises(DataError, match=r"none\.zip: .* \(HTTP 404 Not Found\): check the"):
        fetch(Remote(url=f"{server.url}/none.zip"), tmp_path / "none.zip")
    assert len(server.asked) == 4


def test_a_server_that_stays_away_is_given_up(server, remote, tmp_path):
    server.status = [503] * 9
    with pytest.raises(DataError, match="HTTP 503 .* 0 bytes are kept: run the same command again"):
        fetch(remote, tmp_path / "set.zip")
    assert len(server.asked) == 6


def test_room_is_asked_for_before_the_download(server, remote, tmp_path, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 1))
    with pytest.raises(DataError, match=r"the rest of set.zip need 0\.00 GiB, 0\.00 GiB are free"):
        fetch(remote, tmp_path / "set.zip")
    assert server.asked == []


def test_a_full_disk_is_one_line(server, remote, tmp_path):
    (tmp_path / "set.zip.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left on device.*free some space") as caught:
        fetch(remote, tmp_path / "set.zip")
    assert "\n" not in str(caught.value)
    assert server.asked == [None]
