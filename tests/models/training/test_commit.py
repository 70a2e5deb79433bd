import re
import shutil
import subprocess

import pytest

from maskattn_models.training import commit
from maskattn_models.training.commit import commit_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "file.py").write_text("1\n")
    git(tmp_path, "add", "package")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_the_commit_of_a_tracked_file(repository):
    file = repository / "package" / "file.py"
    assert commit_of(file) == git(repository, "rev-parse", "HEAD")
    assert re.fullmatch("[0-9a-f]{40}", commit_of(file))
    git(repository, "tag", "v1")
    assert commit_of(file) == git(repository, "rev-parse", "HEAD")
    file.write_text("2\n")
    assert commit_of(file) == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_a_package_that_is_installed_in_a_repository_has_no_commit(repository):
    file = repository / "environment" / "file.py"
    file.parent.mkdir()
    file.write_text("1\n")
    assert commit_of(file) == ""


def test_without_a_repository_or_git_there_is_none(repository, tmp_path_factory, monkeypatch):
    file = tmp_path_factory.mktemp("plain") / "file.py"
    file.write_text("1\n")
    assert commit_of(file) == ""
    monkeypatch.setenv("PATH", "")
    assert commit_of(repository / "package" / "file.py") == ""
    assert commit._SECONDS <= 10
