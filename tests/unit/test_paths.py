"""The SQL files are found in a checkout and in a wheel, and a copy in the package never stands in for a checkout's."""

from __future__ import annotations

import importlib.util
import shutil
import tomllib
from pathlib import Path

import pytest

from agent_service import _paths

REPOSITORY = Path(__file__).parents[2]


def load_copy(root):
    """Import a copy of the module from below `root`, as if the package were installed there."""
    package = root / "agent_service"
    package.mkdir()
    file = shutil.copy(Path(_paths.__file__), package)
    spec = importlib.util.spec_from_file_location("copied_paths", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_checkout():
    assert _paths.migrations_dir() == REPOSITORY / "migrations"
    assert _paths.sample_crm_dir() == REPOSITORY / "supabase" / "sample_crm"


def test_an_installed_wheel(tmp_path):
    """The places are those that pyproject.toml puts the files in."""
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    module = load_copy(tmp_path)
    for place in wheel["force-include"].values():
        (tmp_path / place).mkdir(parents=True)
    assert {module.migrations_dir(), module.sample_crm_dir()} == {tmp_path / p for p in wheel["force-include"].values()}


def test_a_checkout_does_not_read_what_a_build_left_behind(tmp_path):
    module = load_copy(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "agent_service" / "_data" / "migrations").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="install account-manager-agent again"):
        module.migrations_dir()
