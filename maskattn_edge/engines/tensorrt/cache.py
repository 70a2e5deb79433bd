"""Engines built on this device: a plain plan and a JSON sidecar each, in one folder.

The sidecar is the entry: it names its plan and the plan's SHA-256, and it is renamed into place
last. A process that is killed at any moment leaves the former entry or the new one; what else it
leaves is swept by the next build of that engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from maskattn_edge.contract.atomic import replacing, write_bytes
from maskattn_edge.contract.errors import EngineError
from maskattn_edge.engines.tensorrt.fingerprint import Fingerprint
from maskattn_edge.engines.tensorrt.sidecar import (
    MAX_SIDECAR_BYTES,
    Sidecar,
    decode_sidecar,
    encode_sidecar,
)

MAX_PLAN_BYTES = 2 << 30
MAX_TIMING_BYTES = 256 << 20
CACHE_FOLDER = Path(".cache/maskattn-edge/engines")
"""Where engines lie unless told otherwise, below the user's home folder."""


def default_cache_folder() -> Path:
    """Where engines lie unless told otherwise."""
    return Path.home() / CACHE_FOLDER


@dataclass(frozen=True, kw_only=True)
class CachedEngine:
    """A whole and fitting engine: its plan in memory, and what its sidecar says."""

    path: Path
    plan: bytes
    sidecar: Sidecar


@dataclass(frozen=True)
class Miss:
    """There is no engine that may be loaded; `reason` says why, for people."""

    reason: str


class EngineCache:
    """The folder of engines.

    Args:
        folder: made by the first build.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_cache_folder()

    def find(self, wanted: Fingerprint) -> CachedEngine | Miss:
        """The engine of exactly that fingerprint, or why there is none."""
        path = self._sidecar_path(wanted)
        if not path.is_file():
            return Miss(self._why_none(wanted))
        return self._load(path, wanted)

    def find_any_options(self, wanted: Fingerprint) -> CachedEngine | Miss:
        """As `find`, whatever its builder options were: the one that was built last."""
        fitting = [
            (sidecar.built_at, path, sidecar.fingerprint)
            for path, sidecar in self.entries()
            if sidecar.fingerprint.with_options(wanted.options) == wanted
        ]
        if not fitting:
            return self.find(wanted)
        _, path, built = max(fitting, key=lambda entry: entry[0])
        return self._load(path, built)

    def entries(self) -> Iterator[tuple[Path, Sidecar]]:
        """Every readable sidecar; whether its plan is whole is not looked at."""
        for path in sorted(self.folder.glob("*.json")):
            with suppress(OSError, ValueError):
                yield path, decode_sidecar(_read(path, MAX_SIDECAR_BYTES))

    @contextmanager
    def building(self, wanted: Fingerprint) -> Iterator[Path]:
        """Hold the engine's lock for a build, and give a path for the new plan.

        Another process that builds the same engine is waited for. Only the holder of the lock
        writes, so whatever unfinished it finds is from a process that died, and is removed.

        Raises:
            EngineError: the folder cannot be written, or its disk is full.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / f".{wanted.key}.lock").open("w")
        with lock, writing(self.folder):
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sweep(wanted)
            temporary = self.folder / f".{wanted.key}.building"
            try:
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)

    def install(self, plan: Path, sidecar: Sidecar) -> Path:
        """Make a verified plan an entry; to be called within `building`. The plan's final path.

        Raises:
            EngineError: the plan is not what the sidecar says, or cannot be written.
        """
        final = self.folder / sidecar.plan
        with writing(self.folder):
            data = plan.read_bytes()
            if hashlib.sha256(data).hexdigest() != sidecar.plan_sha256:
                raise EngineError(
                    f"{plan}: the plan changed on the disk while it was verified: build again"
                )
            with replacing(final) as whole:
                whole.write_bytes(data)
            write_bytes(self._sidecar_path(sidecar.fingerprint), encode_sidecar(sidecar))
            self._sweep(sidecar.fingerprint, keep=sidecar.plan)
        return final

    def timing_path(self, wanted: Fingerprint) -> Path:
        """Where the builder's timings for this TensorRT on this device lie, for all models."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", f"{wanted.device}-{wanted.sm}-{wanted.tensorrt}")
        return self.folder / f"{name[:100]}.timing"

    def read_timing(self, wanted: Fingerprint) -> bytes:
        """The builder's timings, empty if there are none."""
        try:
            return _read(self.timing_path(wanted), MAX_TIMING_BYTES)
        except (OSError, ValueError):
            return b""

    def write_timing(self, wanted: Fingerprint, timing: bytes) -> None:
        """Keep the builder's timings; to be called within `building`. Raises EngineError."""
        temporary = self.folder / f".{wanted.key}.timing"
        with writing(self.folder):
            temporary.write_bytes(timing)
            temporary.replace(self.timing_path(wanted))

    def _load(self, path: Path, wanted: Fingerprint) -> CachedEngine | Miss:
        try:
            sidecar = decode_sidecar(_read(path, MAX_SIDECAR_BYTES))
            plan = _read(self.folder / sidecar.plan, MAX_PLAN_BYTES)
        except FileNotFoundError as error:
            return Miss(f"{error.filename} is missing")
        except (OSError, ValueError) as error:
            return Miss(f"{path} cannot be used: {' '.join(str(error).split())}")
        difference = sidecar.fingerprint.difference(wanted)
        if difference is not None:
            return Miss(f"{path} is foreign: {difference}")
        if len(plan) != sidecar.plan_bytes:
            return Miss(
                f"{sidecar.plan} is truncated: {len(plan):,} of {sidecar.plan_bytes:,} bytes"
            )
        if hashlib.sha256(plan).hexdigest() != sidecar.plan_sha256:
            return Miss(f"{sidecar.plan} is damaged: its SHA-256 is not the sidecar's")
        return CachedEngine(path=self.folder / sidecar.plan, plan=plan, sidecar=sidecar)

    def _why_none(self, wanted: Fingerprint) -> str:
        """Of the engines of the same model, say what makes the newest one useless here."""
        same = [item for _, item in self.entries() if _same_model(item, wanted)]
        if not same:
            return "no engine of this model was built on this device yet"
        newest = max(same, key=lambda item: item.built_at)
        return f"the cached engine is stale: {newest.fingerprint.difference(wanted)}"

    def _sweep(self, wanted: Fingerprint, keep: str | None = None) -> None:
        """Remove plans and temporary files of this engine that its sidecar does not name."""
        if keep is None:
            with suppress(OSError, ValueError):
                text = _read(self._sidecar_path(wanted), MAX_SIDECAR_BYTES)
                keep = decode_sidecar(text).plan
        for path in self.folder.glob(f"{wanted.key}*.plan"):
            if path.name != keep:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(f".{wanted.key}*"):
            if path.suffix != ".lock":
                path.unlink(missing_ok=True)

    def _sidecar_path(self, wanted: Fingerprint) -> Path:
        return self.folder / f"{wanted.key}.json"


def plan_name(wanted: Fingerprint, plan_sha256: str) -> str:
    """File name of a plan: another build of the same engine never writes over it."""
    return f"{wanted.key}-{plan_sha256[:12]}.plan"


def read_sidecar(plan: Path) -> Sidecar:
    """The sidecar of a plan of the cache, which lies beside it.

    Raises:
        OSError: there is no such plan, or no sidecar.
        ValueError: the sidecar cannot be read, or is of another plan.
    """
    plan.stat()
    key = plan.stem.rpartition("-")[0]
    sidecar = decode_sidecar(_read(plan.with_name(f"{key}.json"), MAX_SIDECAR_BYTES))
    if sidecar.plan != plan.name:
        raise ValueError(f"the one there is of {sidecar.plan}")
    return sidecar


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"{folder}: cannot write the engine ({error.strerror or error}): free some space, or "
            "choose another folder with --cache"
        ) from error


def _same_model(sidecar: Sidecar, wanted: Fingerprint) -> bool:
    return sidecar.fingerprint.onnx_sha256 == wanted.onnx_sha256


def _read(path: Path, most: int) -> bytes:
    """A regular file of bounded size. Raises OSError, ValueError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"{path.name} has {size:,} bytes, at most {most:,} are possible")
        return file.read(most)
