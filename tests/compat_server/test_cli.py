"""The `compat-server` command, as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compat_server", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["list", "pull"])
def test_catalogue_names_each_model_whole(command: str, tmp_path: Path) -> None:
    told = run(command, COMPAT_MODELS=str(tmp_path))
    assert told.returncode == 0
    assert "qwen2.5-coder-1.5b-instruct (chat)" in told.stdout
    assert "installed" not in told.stdout
    assert "Apache-2.0" in told.stdout


@pytest.mark.parametrize("command", ["pull", "rm"])
def test_unknown_model_is_named_with_those_there_are(command: str, tmp_path: Path) -> None:
    told = run(command, "gpt-9", COMPAT_MODELS=str(tmp_path))
    assert told.returncode == 1
    assert "'gpt-9'" in told.stderr
    assert "smollm2-135m-instruct" in told.stderr
    assert "Traceback" not in told.stderr


def test_model_from_a_folder_is_checked(tmp_path: Path) -> None:
    """What is not the file of the catalogue is not taken from there."""
    given = tmp_path / "given" / "cl100k-base"
    given.mkdir(parents=True)
    (given / "cl100k_base.tiktoken").write_text("IQ== 0\n")
    models = tmp_path / "models"
    told = run(
        *("pull", "cl100k-base"),
        COMPAT_MODELS=str(models),
        COMPAT_MODELS_FROM=str(tmp_path / "given"),
    )
    assert told.returncode == 0, told.stderr
    installed = models / "cl100k-base" / "cl100k_base.tiktoken"
    assert installed.stat().st_size == 1_681_126
    assert run("rm", "cl100k-base", COMPAT_MODELS=str(models)).returncode == 0
    assert not installed.exists()


def test_mistake_in_the_configuration_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "compat.toml"
    config.write_text("port = 0\n")
    told = run("serve", COMPAT_CONFIG=str(config), COMPAT_HOME=str(tmp_path / "home"))
    assert told.returncode == 1
    assert "port" in told.stderr
    assert "Traceback" not in told.stderr
