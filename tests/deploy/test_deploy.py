"""The image, the compose file and the service: linted, and held against the rest of the house."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskattn_edge.cli.config_file import read_settings
from maskattn_edge.cli.option_tree import configured_options, find_command
from maskattn_edge.engines.tensorrt.cache import CACHE_FOLDER

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile.jetson").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()
SERVICE = ROOT / "deploy" / "maskattn-edge.service"


@pytest.fixture
def hadolint():
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    return lambda path: subprocess.run([program, path], capture_output=True, text=True, check=False)


def test_the_image_is_clean_by_hadolint(hadolint):
    done = hadolint(ROOT / "Dockerfile.jetson")
    assert done.returncode == 0, done.stdout


def test_the_check_above_can_fail(hadolint, tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM ubuntu:latest\nRUN cd /tmp && sudo apt-get install cowsay\n")
    assert {"DL3004", "DL3007"} <= set(re.findall(r"DL\d+", hadolint(bad).stdout))


def test_every_base_image_is_pinned_by_date():
    images = re.findall(r"^FROM (ubuntu\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 2
    assert all(re.fullmatch(r"ubuntu:\w+-20\d{6}", image) for image in images)


def test_one_argument_chooses_the_jetpack():
    assert re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE) == ["JETPACK"]
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    assert {"jetpack6", "jetpack7", "builder", "runtime"} <= stages


def test_engines_lie_on_a_volume_where_run_looks_for_them():
    folder = f"/home/robot/{CACHE_FOLDER}"
    assert f'VOLUME ["{folder}"]' in DOCKERFILE
    assert f"engines:{folder}\n" in COMPOSE


def test_the_image_ends_as_a_user_with_a_health_check():
    runtime = DOCKERFILE.partition("AS runtime")[2]
    assert "\nUSER 1000:1000\n" in runtime
    assert "\nHEALTHCHECK " in runtime
    stats = re.search(r"MASKATTN_RUN_STATS=(\S+)", runtime)[1]
    assert f"find {stats} -newermt" in runtime


def test_the_health_check_knows_a_run_that_lives(tmp_path):
    command = re.search(r'CMD \["sh", "-c", "(.+)"\]', DOCKERFILE)[1].replace('\\"', '"')
    stats = tmp_path / "stats.jsonl"
    command = command.replace("/run/maskattn/stats.jsonl", str(stats))

    def health():
        return subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode

    assert health() == 1
    stats.touch()
    assert health() == 0
    subprocess.run(["touch", "-d", "-1 minute", stats], check=True)
    assert health() == 1


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE])
def test_variables_are_options_of_run(text):
    options = {
        option.name.upper() for option in configured_options(find_command(("run",))).values()
    }
    named = set(re.findall(r"MASKATTN_RUN_(\w+)", text)) - {"ENGINE"}
    assert named
    assert named <= options


@pytest.mark.parametrize("version", ["3.10", "3.12"])
def test_constraints_hold_what_we_ask_for(version):
    text = (ROOT / "deploy" / f"constraints-py{version}.txt").read_text()
    pinned = dict(line.split("==") for line in text.splitlines() if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["tensorrt"]
    for requirement in wanted:
        name, least = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()
        if name == "tomli" and version != "3.10":
            continue
        assert numbers(pinned[name]) >= numbers(least), requirement
    assert numbers(pinned["cuda-bindings"])[0] == {"3.10": 12, "3.12": 13}[version]


def numbers(version):
    return [int(part) for part in version.split(".")]


def test_what_the_image_needs_is_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert all(list(ROOT.glob(pattern)) for pattern in kept)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) <= set(kept)


def test_what_is_left_out_to_try_the_image_is_there_to_be_left_out():
    """tools/try_image.sh takes lines out of the Dockerfile; each of its patterns must hit one."""
    script = (ROOT / "tools" / "try_image.sh").read_text()
    patterns = re.findall(r"""^ *without ['"](.+?)['"] ['"]""", script, re.MULTILINE)
    assert len(patterns) == 5
    lines = DOCKERFILE.splitlines()
    assert [sum(bool(re.search(each, line)) for line in lines) for each in patterns] == [1] * 5


def test_a_number_that_nobody_has_is_no_error():
    """getent exits with 2 on Ubuntu 22.04, which has no user 1000; pipefail would end the build."""
    assert "if getent passwd 1000; then" in DOCKERFILE


def test_the_service_is_what_systemd_takes(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / SERVICE.name
    unit.write_text(SERVICE.read_text().replace("/opt/maskattn/bin/maskattn-edge", "/bin/true"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=ever"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert unit.name in done.stderr  # the check above can fail


def test_the_service_runs_a_configuration_that_is_right():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(SERVICE.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["PrivateTmp"] == "no"  # the socket of CSI cameras
    assert "--config /etc/maskattn-edge.toml run" in service["ExecStart"]
    assert ("run",) in read_settings((ROOT / "deploy" / "maskattn-edge.toml",))
