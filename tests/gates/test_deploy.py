"""What deploy/ says is what the package needs: the image's files make a whole wheel, and the units are sound."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_the_files_that_the_image_copies_make_a_whole_wheel(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for line in re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        *paths, target = line.split()
        for path in paths:
            (shutil.copytree if (ROOT / path).is_dir() else shutil.copy)(
                ROOT / path, source / (target if (ROOT / path).is_dir() else path)
            )
    built = ("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(source))
    subprocess.run([sys.executable, "-m", *built], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    migrations = {f"agent_service/_data/migrations/{file.name}" for file in (ROOT / "migrations").glob("*.sql")}
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "agent_service").rglob("*.py")}
    assert (migrations | modules) - names == set()


def test_the_units_are_sound(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here (apt-get install systemd)")
    command = tmp_path / "account-agent"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    for unit in DEPLOY.glob("*.service"):
        here = tmp_path / unit.name
        here.write_text(unit.read_text().replace("/opt/account-agent/bin/account-agent", str(command)))
        said = subprocess.run([analyze, "verify", "--man=no", str(here)], capture_output=True, text=True, check=False)
        assert (said.returncode, [line for line in said.stderr.splitlines() if unit.name in line]) == (0, [])


NO_DOCKER = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"}


def test_supabase_local_says_that_docker_is_absent() -> None:
    script = DEPLOY / "supabase-local.sh"
    said = subprocess.run([script], env=NO_DOCKER, capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stdout) == (1, "")
    assert "make up" in said.stderr
    assert not (ROOT / ".supabase-local").exists()


def test_the_suite_on_containers_says_that_docker_is_absent() -> None:
    some = "tests/integration/agent/test_draft_jobs.py"
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", some],
        cwd=ROOT,
        env=NO_DOCKER | {"AGENT_CONTAINERS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 4
    assert re.search("AGENT_CONTAINERS (needs testcontainers|is set, but Docker)", said.stdout + said.stderr)
