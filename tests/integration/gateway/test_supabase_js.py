"""Runs tests/js: the unmodified @supabase/supabase-js on Node against the gateway."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from agent_service.devstack.users import add_user
from tests.npm import install

from .conftest import Api

SUITE = Path(__file__).parents[2] / "js"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the locked packages installed; skips, with the reason, where that cannot be."""
    return install(SUITE)


def test_supabase_js(api: Api, node: str) -> None:
    email = f"js-{uuid.uuid4().hex[:8]}@example.com"
    add_user(api.owner, email, PASSWORD, full_name="Jo Script")
    api.owner.execute("grant execute on function public.reset_tables() to service_role")
    environment = {
        **os.environ,
        "GATEWAY_URL": api.url,
        "GATEWAY_KEY": api.keys.publishable_key,
        "SECRET_KEY": api.keys.secret_key,
        "EMAIL": email,
        "PASSWORD": PASSWORD,
        "USER_TOKEN": api.tokens["user_a"],
        "EXPIRED_TOKEN": api.tokens["expired"],
    }
    run = subprocess.run(
        [node, "--test", "--test-reporter=tap", "gateway.test.js"],
        cwd=SUITE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    failed = [line for line in run.stdout.splitlines() if line.lstrip().startswith("not ok")]
    assert run.returncode == 0, "\n".join([*failed, run.stdout[-6000:], run.stderr[-2000:]])
    assert "# pass 0" not in run.stdout
