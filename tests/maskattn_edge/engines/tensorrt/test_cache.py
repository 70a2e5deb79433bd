"""The cache holds whole, fitting, verified engines, or says why it holds none."""

import json
import subprocess
import sys
from dataclasses import replace

import msgspec
import pytest

from maskattn_edge.contract.errors import EngineError, EngineVerificationError, UsageError
from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.tensorrt.build import build_engine
from maskattn_edge.engines.tensorrt.cache import CachedEngine, EngineCache, Miss
from maskattn_edge.engines.tensorrt.engine import ready_engine
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions, fingerprint
from maskattn_edge.engines.tensorrt.sidecar import MAX_SIDECAR_BYTES, Agreement, decode_sidecar

ORIN = DeviceFacts(name="Orin", sm="8.7", driver="540.4, CUDA 12.6")


def test_a_build_is_installed_and_then_found(tiny_file, options, cache, make_tools):
    tools, calls = make_tools()
    first = build_engine(tiny_file, options, cache, tools)
    again = build_engine(tiny_file, options, cache, tools)
    assert len(calls) == 1
    assert first.rebuilt == "no engine of this model was built on this device yet"
    assert again.rebuilt is None
    assert again.engine.plan == b"plan of a fake builder" == first.engine.path.read_bytes()
    assert again.engine.sidecar == first.engine.sidecar
    names = sorted(path.name for path in cache.folder.iterdir() if path.suffix != ".lock")
    key = first.engine.sidecar.fingerprint.key
    assert names == sorted([f"{key}.json", first.engine.sidecar.plan, "Orin-8-7-10-3-0.timing"])


def test_force_builds_again_with_the_timings_of_before(tiny_file, options, cache, make_tools):
    tools, calls = make_tools()
    build_engine(tiny_file, options, cache, tools)
    tools, more = make_tools(b"a newer plan")
    result = build_engine(tiny_file, options, cache, tools, force=True)
    assert calls[0].timing == b""
    assert more[0].timing == b"times "
    assert result.rebuilt == "it was asked for"
    assert [path.read_bytes() for path in cache.folder.glob("*.plan")] == [b"a newer plan"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tensorrt": "10.6.0"}, "built with TensorRT 10.3.0, 10.6.0 is installed"),
        ({"device": replace(ORIN, sm="9.0")}, "for compute capability 8.7, this GPU has 9.0"),
        ({"device": replace(ORIN, name="Orin Nano")}, "built on Orin, this is Orin Nano"),
        ({"device": replace(ORIN, driver="580")}, "built with driver 540.4, CUDA 12.6, 580 is"),
    ],
)
def test_a_stale_engine_is_rebuilt_and_named(change, reason, tiny_file, options, cache, make_tools):
    build_engine(tiny_file, options, cache, make_tools()[0])
    tools, calls = make_tools(**change)
    result = build_engine(tiny_file, options, cache, tools)
    assert len(calls) == 1
    assert reason in result.rebuilt


def test_another_model_or_other_options_are_other_engines(options):
    base = fingerprint("a" * 64, "10.3", ORIN, options)
    others = [
        fingerprint("b" * 64, "10.3", ORIN, options),
        fingerprint("a" * 64, "10.3", ORIN, BuildOptions(opt_level=5)),
        fingerprint("a" * 64, "10.3", ORIN, BuildOptions(workspace_mb=64)),
        fingerprint("a" * 64, "10.3", ORIN, BuildOptions(dla=0)),
    ]
    assert len({base.key, *(other.key for other in others)}) == 5
    assert all(base.difference(other) for other in others)
    assert base.difference(fingerprint("a" * 64, "10.3", ORIN, BuildOptions())) is None


@pytest.mark.parametrize("wrong", [{"opt_level": 6}, {"workspace_mb": 1}, {"dla": -1}])
def test_wrong_options(wrong):
    with pytest.raises(UsageError, match="got"):
        BuildOptions(**wrong)


def test_run_takes_the_engine_that_was_built_last(tiny_file, cache, make_tools):
    tools, calls = make_tools()
    build_engine(tiny_file, BuildOptions(opt_level=5), cache, tools)
    engine = ready_engine(tiny_file, cache, tools)
    assert len(calls) == 1
    assert engine.sidecar.fingerprint.options.opt_level == 5


def damage_truncate(plan, sidecar):
    plan.write_bytes(plan.read_bytes()[:-5])


def damage_flip(plan, sidecar):
    plan.write_bytes(b"X" + plan.read_bytes()[1:])


def damage_missing(plan, sidecar):
    plan.unlink()


def damage_half_sidecar(plan, sidecar):
    sidecar.write_bytes(sidecar.read_bytes()[:100])


def damage_schema(plan, sidecar):
    sidecar.write_text(sidecar.read_text().replace('"schema": 1', '"schema": 2'))


def damage_path(plan, sidecar):
    text = sidecar.read_text()
    sidecar.write_text(text.replace(plan.name, "../" + plan.name))


def damage_foreign(plan, sidecar):
    sidecar.write_text(sidecar.read_text().replace('"sm": "8.7"', '"sm": "9.0"'))


def damage_huge_sidecar(plan, sidecar):
    sidecar.write_text(sidecar.read_text() + " " * MAX_SIDECAR_BYTES)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_truncate, "is truncated: 17 of 22 bytes"),
        (damage_flip, "is damaged"),
        (damage_missing, "is missing"),
        (damage_half_sidecar, "cannot be used"),
        (damage_schema, "cannot be used"),
        (damage_path, "cannot be used"),
        (damage_foreign, "is foreign: it was built for compute capability 9.0"),
        (damage_huge_sidecar, "cannot be used"),
    ],
)
def test_a_bad_entry_is_never_loaded(damage, reason, tiny_file, options, cache, make_tools):
    tools, calls = make_tools()
    entry = build_engine(tiny_file, options, cache, tools).engine
    wanted = entry.sidecar.fingerprint
    damage(entry.path, cache.folder / f"{wanted.key}.json")
    found = cache.find(wanted)
    assert isinstance(found, Miss)
    assert reason in found.reason
    assert "\n" not in found.reason
    assert isinstance(cache.find_any_options(wanted), Miss)
    assert reason in build_engine(tiny_file, options, cache, tools).rebuilt
    assert isinstance(cache.find(wanted), CachedEngine)


def test_an_engine_that_answers_otherwise_is_not_installed(tiny_file, options, cache, make_tools):
    wrong = Agreement(reference="test", images=2, labels=0.5, miou=1, file_labels=1)
    with pytest.raises(EngineVerificationError, match=r"equal labels 50\.00%, at least 99\.00%"):
        build_engine(tiny_file, options, cache, make_tools(agreement=wrong)[0])
    assert not list(cache.folder.glob("*.plan"))
    assert not list(cache.folder.glob("*.json"))


def test_a_refused_engine_is_explained_only_on_request(tiny_file, options, cache, make_tools):
    wrong = Agreement(reference="test", images=2, labels=0.5, miou=1, file_labels=1)
    asked = []

    def why(file, options, on_step):
        asked.append(options)
        return "the first tensor to depart is t3"

    tools = replace(make_tools(agreement=wrong)[0], explain=why)
    with pytest.raises(EngineVerificationError, match="against test; it was not installed"):
        build_engine(tiny_file, options, cache, tools)
    assert asked == []
    with pytest.raises(EngineVerificationError, match=r"\(the first tensor to depart is t3\)"):
        build_engine(tiny_file, options, cache, tools, explain=True)
    build_engine(tiny_file, options, cache, replace(make_tools()[0], explain=why), explain=True)
    assert asked == [options]


def test_too_little_memory_builds_nothing(tiny_file, options, cache, make_tools):
    tools, calls = make_tools(memory=700)
    with pytest.raises(EngineError, match="needs about 1,280 MB of memory, 700 MB are free"):
        build_engine(tiny_file, options, cache, tools)
    assert not calls


def test_a_full_disk_is_one_line_and_leaves_the_former_entry(
    tiny_file, options, cache, make_tools, monkeypatch
):
    former = build_engine(tiny_file, options, cache, make_tools()[0]).engine
    tools, _ = make_tools(b"a newer plan")

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskattn_edge.engines.tensorrt.cache.write_bytes", full)
    with pytest.raises(EngineError, match=r"cannot write the engine \(No space left on device\)"):
        build_engine(tiny_file, options, cache, tools, force=True)
    found = cache.find(former.sidecar.fingerprint)
    assert isinstance(found, CachedEngine)
    assert found.plan == former.plan


def test_a_folder_that_cannot_be_made(tiny_file, options, tmp_path, make_tools):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="choose another folder with --cache"):
        build_engine(tiny_file, options, EngineCache(tmp_path / "file" / "x"), make_tools()[0])


def test_a_plan_that_changed_after_verification_is_refused(tiny_file, options, cache, make_tools):
    tools, _ = make_tools()
    wanted = fingerprint(tiny_file.sha256, tools.tensorrt, tools.device, options)
    path = cache.folder / f".{wanted.key}.building"

    def examine(file, plan, dla):
        path.write_bytes(b"another")
        return tools.examine(file, plan, dla)

    with pytest.raises(EngineError, match="changed on the disk"):
        build_engine(tiny_file, options, cache, replace(tools, examine=examine))
    assert isinstance(cache.find(wanted), Miss)


def test_a_sidecar_survives_its_own_text(tiny_file, options, cache, make_tools):
    entry = build_engine(tiny_file, options, cache, make_tools()[0]).engine
    text = (cache.folder / f"{entry.sidecar.fingerprint.key}.json").read_bytes()
    assert decode_sidecar(text) == entry.sidecar
    assert json.loads(text)["fingerprint"]["options"] == msgspec.to_builtins(options)


KILLS = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path

from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.tensorrt.build import build_engine
from maskattn_edge.engines.tensorrt.cache import CachedEngine, EngineCache
from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions, fingerprint
from maskattn_edge.engines.tensorrt.preflight import BuildMemory
from maskattn_edge.engines.tensorrt.request import Built
from maskattn_edge.engines.tensorrt.sidecar import Agreement
from maskattn_edge.engines.tensorrt.toolchain import Examined, Toolchain

file, cache = read_model_file(Path(sys.argv[1])), EngineCache(Path(sys.argv[2]))
device = DeviceFacts("Orin", "8.7", "540")
good = Agreement(reference="test", images=1, labels=1, miou=1, file_labels=1)

def build(request, on_step):
    with open(request.plan, "wb") as out:
        for part in range(8):
            out.write(os.urandom(1) * 40_000)
            os.write(progress, b".")
    return Built(peak_host_bytes=1, timing=os.urandom(1) * 20_000)

tools = Toolchain(
    tensorrt="10.3", device=device, memory=lambda: BuildMemory(host_mb=9999), build=build,
    examine=lambda file, plan, dla: Examined(agreement=good, activation_bytes=1, layers=1),
)
wanted = fingerprint(file.sha256, "10.3", device, BuildOptions())
rng = random.Random(0)
whole = interrupted = 0
for kill in range(50):
    steps, progress = os.pipe()
    child = os.fork()
    if child == 0:
        while True:
            build_engine(file, BuildOptions(), cache, tools, force=True)
    os.close(progress)  # so that a child that dies by itself ends the reading
    # Counted in steps of building, 8 to an engine: on a busy machine, time says little of how far
    # the child came. What installs the engine lies between the steps, and is hit by the rest.
    for _ in range(rng.randrange(24)):
        assert os.read(steps, 1)
    time.sleep(rng.uniform(0, 0.005))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(steps)
    found = cache.find(wanted)
    sidecar = cache.folder / f"{wanted.key}.json"
    assert isinstance(found, CachedEngine) or not sidecar.exists(), found
    whole += isinstance(found, CachedEngine)
    names = {path.name for path in cache.folder.glob("*") if path.suffix != ".lock"}
    interrupted += len(names) > 3
    assert len(cache.read_timing(wanted)) in (0, 20_000)
build_engine(file, BuildOptions(), cache, tools, force=True)
left = [path.name for path in cache.folder.iterdir() if path.suffix != ".lock"]
print(whole, interrupted, len(left))
"""


def test_fifty_kills_leave_no_bad_entry(tiny_model, tmp_path, cli_environment):
    done = subprocess.run(
        [sys.executable, "-c", KILLS, tiny_model, tmp_path / "engines"],
        capture_output=True,
        text=True,
        env=cli_environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    whole, interrupted, left = map(int, done.stdout.split())
    assert whole > 10  # the kills came late enough to find something
    assert interrupted > 10  # and early enough to hit a process that was writing
    assert left == 3  # plan, sidecar, timings: the next build swept what they left behind
