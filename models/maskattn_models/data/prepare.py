"""`data prepare`: from nothing, or from originals, to a prepared data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_edge.disk import check_space
from maskattn_edge.download import download, file_sha256
from maskattn_models.data.archives import ARCHIVES, BY_HAND, Archive
from maskattn_models.data.conversion import ConversionSettings, Origin, Step, convert
from maskattn_models.data.layouts import READERS, open_layout, reader_of
from maskattn_models.data.manifest import NAME, Manifest, is_prepared
from maskattn_models.data.pictures import load_sample
from maskattn_models.data.unpack import unpack


def prepare(
    name: str,
    folder: Path,
    settings: ConversionSettings,
    *,
    source: Path | None = None,
    annotations: str = "",
    splits: Sequence[str] = (),
    archives: tuple[Archive, ...] | None = None,
    progress: Step,
) -> Manifest:
    """Write a prepared data set into `folder`.

    Without `source` the archives of the data set are fetched into `folder`/downloads and unpacked
    into `folder`/original; both steps go on where an interrupted call stopped. The originals stay:
    calibration and full-size evaluation read them.

    Args:
        name: `coco`, `ade20k`, `cityscapes`, or `folder` for any layout that is recognised.
        folder: what to write; the manifest in it is written last.
        settings: the size of the arrays.
        source: folder of originals that are there already; they are not copied.
        annotations: which truth of COCO; `panoptic` if not given.
        splits: which splits; all if empty.
        archives: other archives than the published ones.
        progress: told (step, done, total).

    Raises:
        UsageError: a name or split is unknown, or `source` is missing where there is no download.
        DataError: `folder` is prepared already; a download, an archive or the data are not
            complete; the disk is full.
    """
    if is_prepared(folder):
        raise DataError(
            f"{folder / NAME}: the folder is prepared already: use it, remove this file to prepare "
            "it again, or name another folder"
        )
    downloads: dict[str, str] = {}
    if source is None:
        if name not in ARCHIVES:
            raise UsageError(f"nothing is downloaded for {name!r}: name its folder with --source")
        source = folder / "original"
        annotations = annotations or ("panoptic" if name == "coco" else "")
        needed = _needed(archives or ARCHIVES[name], splits, annotations)
        downloads = fetch(needed, folder, source, progress=progress)
    reader = reader_of(source) if name == "folder" else name
    if reader is None or reader not in READERS or not READERS[reader].recognises(source):
        expected = READERS[reader].layout if reader in READERS else "a known layout"
        raise DataError(f"{source}: holds no {name} data; expected {expected}")
    dataset = open_layout(reader, source, annotations)
    chosen = list(splits) or list(dataset.splits)
    for split in chosen:
        load_sample(dataset.split(split)[0], dataset)  # what is wrong with all shows at once
    origin = Origin(reader=reader, source=source, annotations=annotations, downloads=downloads)
    return convert(dataset, folder, settings, origin, splits=chosen, progress=progress)


def fetch(
    archives: Sequence[Archive], folder: Path, originals: Path, *, progress: Step
) -> dict[str, str]:
    """Fetch, verify and unpack archives; returns the SHA-256 of each by name.

    An archive that was unpacked leaves a note, `NAME.unpacked`, and may be removed then.

    Raises:
        DataError: as `download` and `unpack`; an archive must be fetched by hand.
    """
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    _check_room(archives, downloads)
    _check_by_hand(archives, downloads)
    hashes = {}
    for archive in archives:
        path, note = downloads / archive.name, downloads / f"{archive.name}.unpacked"
        if note.exists():
            hashes[archive.name] = note.read_text(encoding="ascii").strip()
            continue
        digest = _fetched(archive, path, progress)
        told = partial(progress, f"unpacking {archive.name}")
        unpack(path, originals / archive.into, progress=told)
        note.write_text(digest + "\n", encoding="ascii")
        hashes[archive.name] = digest
    return hashes


def _fetched(archive: Archive, path: Path, progress: Step) -> str:
    if archive.remote is None:
        return file_sha256(path)
    return download(archive.remote, path, progress=partial(progress, archive.name))


def _needed(
    archives: Sequence[Archive], splits: Sequence[str], annotations: str
) -> tuple[Archive, ...]:
    return tuple(
        archive
        for archive in archives
        if (not splits or set(splits) & set(archive.splits))
        and (not archive.annotations or annotations in archive.annotations)
    )


def _check_room(archives: Sequence[Archive], downloads: Path) -> None:
    """All downloads must fit, not only the next."""
    missing = 0
    for archive in archives:
        there = [
            path
            for ending in ("", ".part", ".unpacked")
            if (path := downloads / f"{archive.name}{ending}").exists()
        ]
        if archive.remote is None or archive.remote.size is None:
            continue
        if not there or there[0].suffix == ".part":
            missing += archive.remote.size - (there[0].stat().st_size if there else 0)
    check_space(downloads, missing, "the downloads")


def _check_by_hand(archives: Sequence[Archive], downloads: Path) -> None:
    missing = [
        archive.name
        for archive in archives
        if archive.remote is None
        and not (downloads / archive.name).exists()
        and not (downloads / f"{archive.name}.unpacked").exists()
    ]
    if missing:
        raise DataError(BY_HAND.format(names=" ".join(missing), folder=downloads))
