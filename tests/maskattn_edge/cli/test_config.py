"""Configuration: who wins, what is refused, and the files that are written."""

import pytest

from maskattn_edge.cli import app
from maskattn_edge.cli.config import template
from maskattn_edge.cli.config_file import read_settings
from maskattn_edge.cli.option_tree import all_commands, configured_options
from maskattn_edge.contract.errors import UsageError

SOURCE = "synthetic://?frames=2&width=64&height=48"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty project folder, and a user without settings."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return project


@pytest.fixture
def user_file(tmp_path):
    path = tmp_path / "home" / ".config" / "maskattn-edge" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def shown(capsys, *words):
    assert app.run_command([*words, "config", "show"]) == 0
    return capsys.readouterr().out


def frames_of(capsys, *words):
    """How many frames a run took."""
    assert app.run_command([*words]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("frames"))
    return int(line.split()[1])


def test_who_wins(folder, user_file, tiny_model, capsys, monkeypatch):
    line = ["run", str(tiny_model), "--source", "synthetic://?frames=9&width=64&height=48"]
    line += ["--engine", "onnxruntime"]
    user_file.write_text("[run]\nframes = 2\n")
    assert frames_of(capsys, *line) == 2
    (folder / "maskattn-edge.toml").write_text("[run]\nframes = 3\n")
    assert frames_of(capsys, *line) == 3
    monkeypatch.setenv("MASKATTN_RUN_FRAMES", "4")
    assert frames_of(capsys, *line) == 4
    assert frames_of(capsys, *line, "--frames", "5") == 5
    monkeypatch.delenv("MASKATTN_RUN_FRAMES")
    assert frames_of(capsys, "--no-config", *line) == 9
    (folder / "robot.toml").write_text("[run]\nframes = 6\n")
    assert frames_of(capsys, "--config", "robot.toml", *line) == 6


def test_a_whole_run_from_a_file(folder, tiny_model, capsys):
    (folder / "maskattn-edge.toml").write_text(
        f'[run]\nsource = "{SOURCE}"\nengine = "onnxruntime"\njsonl = "out.jsonl"\n'
        'web-token = "means nothing without web"\n'
    )
    assert app.run_command(["run", str(tiny_model)]) == 0
    assert len((folder / "out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("user", "project", "variable", "flags", "wins"),
    [
        ('camera = "7"', "", "", [], "/dev/video7"),
        ('camera = "7"', 'source = "none.mp4"', "", [], "none.mp4"),
        ('source = "none.mp4"', 'camera = "7"', "", [], "/dev/video7"),
        ('camera = "7"', "", "none.mp4", [], "none.mp4"),
        ('source = "none.mp4"', "", "", ["--camera", "7"], "/dev/video7"),
    ],
)
def test_of_camera_and_source_the_stronger_place_decides(
    user, project, variable, flags, wins, folder, user_file, tiny_model, capsys, monkeypatch
):
    user_file.write_text(f"[run]\n{user}\n")
    (folder / "maskattn-edge.toml").write_text(f"[run]\n{project}\n")
    if variable:
        monkeypatch.setenv("MASKATTN_RUN_SOURCE", variable)
    assert app.run_command(["run", str(tiny_model), *flags]) == 1
    assert capsys.readouterr().err.startswith(f"error: {wins}: ")


def test_both_in_one_place_is_an_error(tiny_model, capsys):
    assert app.run_command(["run", str(tiny_model), "--camera", "0", "--source", "a"]) == 2
    assert "both given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\nframs = 3", "[run] has no option frams; is frames meant?"),
        ("[rum]\nframes = 3", "[rum] is no command; is run meant?"),
        ("[data.prepare.koko]\nsplit = ['val']", "is data.prepare.coco meant?"),
        ("[config]\nall = true", "[config] is no command"),
        ("frames = 3", "frames stands before the first [command]"),
        ("[run]\nframes = 0", "[run] frames: "),
        ("[run]\nframes = 'many'", "[run] frames: "),
        ("[run]\nshow = 'yes'", "[run] show: takes true or false, got 'yes'"),
        ("[run]\nframes = true", "[run] frames: takes a value, not true or false"),
        ("[run]\nsave = ['a.mp4']", "[run] save: takes no list"),
        ("[benchmark]\nengine = 'openvino'", "[benchmark] engine: takes a list"),
        ("[run", "not TOML: "),
        ("[run]\nmodel = 'x.onnx'", "[run] has no option model"),
    ],
)
def test_what_is_refused(text, message, folder, capsys):
    (folder / "maskattn-edge.toml").write_text(text)
    assert app.run_command(["run", "--camera", "0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: maskattn-edge.toml: ")
    assert message in error
    assert error.count("\n") == 1
    assert app.run_command(["config", "path"]) == 0  # which still shows where the file is


def test_no_text_and_no_file(folder, capsys):
    (folder / "maskattn-edge.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not TOML"):
        read_settings((folder / "maskattn-edge.toml",))
    assert app.run_command(["--config", "none.toml", "models"]) == 2
    assert "none.toml: no such configuration file" in capsys.readouterr().err
    assert app.run_command(["--config", "none.toml", "--no-config", "models"]) == 2


def test_show(folder, user_file, capsys, monkeypatch):
    assert (
        shown(capsys) == "# nothing is set; --all shows the defaults, `config init` writes a file\n"
    )
    user_file.write_text('[run]\nengine = "openvino"\nopacity = 0.3\n[benchmark]\nstarts = 1\n')
    (folder / "maskattn-edge.toml").write_text("[run]\nopacity = 0.4\nshow = true\n")
    monkeypatch.setenv("MASKATTN_RUN_FRAMES", "7")
    monkeypatch.setenv("MASKATTN_WEB_TOKEN", "secret-of-mine")
    text = shown(capsys)
    assert text == (
        "[run]\n"
        "show = true  # maskattn-edge.toml\n"
        'web-token = "(hidden)"  # MASKATTN_WEB_TOKEN\n'
        'frames = "7"  # MASKATTN_RUN_FRAMES\n'
        f'engine = "openvino"  # {user_file}\n'
        "opacity = 0.4  # maskattn-edge.toml\n"
        "\n[benchmark]\n"
        f"starts = 1  # {user_file}\n\n"
    )
    (folder / "kept.toml").write_text(text)
    assert len(read_settings((folder / "kept.toml",))) == 2
    assert app.run_command(["config", "show", "run", "--all"]) == 0
    text = capsys.readouterr().out
    assert "stats-every = 5.0  # default\n" in text
    assert "[benchmark]" not in text
    assert app.run_command(["config", "show", "fly"]) == 2


def test_path(folder, user_file, capsys):
    user_file.touch()
    assert app.run_command(["config", "path"]) == 0
    assert capsys.readouterr().out == (
        f"{folder / 'maskattn-edge.toml'} (not there)\n{user_file}\n"
    )


def test_init(folder, tmp_path, capsys):
    assert app.run_command(["config", "init"]) == 0
    written = folder / "maskattn-edge.toml"
    assert all(not values for values in read_settings((written,)).values())
    assert app.run_command(["config", "init"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert app.run_command(["config", "init", "--force", "--user"]) == 0
    assert (tmp_path / "home/.config/maskattn-edge/config.toml").read_text() == template()


def test_the_template_names_every_option_and_can_be_uncommented(folder):
    lines = template().splitlines()
    assert sum(line.startswith("[") for line in lines) == sum(
        bool(configured_options(command)) for _, command in all_commands()
    )
    for words, command in all_commands():
        for key, option in configured_options(command).items():
            assert any(line.startswith(f"#{key} = ") for line in lines), (words, key)
            assert option.help, (words, key)
    # A default, where there is one, is a value that the file takes.
    text = "\n".join(
        line[1:] if line.startswith("#") and line[1] != " " and '= ""' not in line else line
        for line in lines
    )
    path = folder / "all.toml"
    path.write_text(text)
    assert len(read_settings((path,))) > 15
