"""What can be seen over HTTP: PostgREST, Auth, the clock, and whether both think of our key as they should."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from time import time

import httpx
import jwt
from pydantic import SecretStr

from agent_service._jwt import unverified_claims
from agent_service.doctor.catalog import HOOK
from agent_service.doctor.findings import Finding, fault, ok, skipped, warning

__all__ = ["examine_gateway"]

SKEW_SECONDS = 10.0
_TRUST = "Add the signing secret to the project's JWT keys under its kid (docs/operations.md#keys), then look again."
_MINT = "select agent.mint_worker_key('worker', 90); -- and set AGENT_WORKER_KEY to it"
_URL = "Check SUPABASE_URL, and that the project is not paused."


def examine_gateway(url: str, publishable_key: SecretStr, worker_key: SecretStr | None) -> Iterator[Finding]:
    """Yield what PostgREST and Auth answer."""
    headers = {"apikey": publishable_key.get_secret_value()}
    with httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=10, follow_redirects=False) as http:
        try:
            yield from _rest(http)
            yield from _auth(http)
            if worker_key is None:
                yield skipped("trust", "Without AGENT_WORKER_KEY nothing is known of the trust in our key.", _MINT)
            else:
                yield from _trust(http, worker_key)
        except httpx.HTTPError as error:
            yield fault("gateway", f"It cannot be reached: {type(error).__name__}.", _URL)


def _rest(http: httpx.Client) -> Iterator[Finding]:
    answer = http.post("/rest/v1/rpc/agent_status", json={})
    code = _code(answer)
    if answer.status_code >= 500 or code == "":
        yield fault("PostgREST", f"It answers {answer.status_code}.", _URL)
        return
    if answer.status_code == 401 and code not in ("42501", "PT401"):
        yield fault(
            "PostgREST", "It does not take the publishable key.", "Set SUPABASE_PUBLISHABLE_KEY to this project's."
        )
        return
    if code == "PGRST202":
        yield skipped(
            "PostgREST",
            "It answers, and knows none of our functions yet.",
            "account-agent migrate, or notify pgrst, 'reload schema';",
        )
    else:
        yield ok("PostgREST", "It answers, and knows our functions.")
    for schema in ("agent", "crm", "vault"):
        exposed = http.get("/rest/v1/x", headers={"Accept-Profile": schema})
        if _code(exposed) != "PGRST106":
            yield fault(
                "exposed schemas", f"{schema} is exposed.", "Take it out of the exposed schemas (Dashboard, Data API)."
            )
            return
    yield ok("exposed schemas", "agent, crm and vault are not among them.")


def _auth(http: httpx.Client) -> Iterator[Finding]:
    answer = http.get("/auth/v1/health")
    if answer.status_code != 200:
        yield fault("Auth", f"It answers {answer.status_code}.", _URL)
    else:
        yield ok("Auth", "It answers.")
    if said := answer.headers.get("date"):
        behind = time() - parsedate_to_datetime(said).timestamp()
        if abs(behind) > SKEW_SECONDS:
            yield fault(
                "clock",
                f"This machine's is {abs(behind):.0f} s {'ahead' if behind > 0 else 'behind'}.",
                "Let it follow a time server (chrony).",
            )
        else:
            yield ok("clock", "This machine's and the project's agree.")


def _trust(http: httpx.Client, key: SecretStr) -> Iterator[Finding]:
    try:
        claims = unverified_claims(key.get_secret_value())
        days = (float(claims["exp"]) - time()) / 86400
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        yield fault("worker key", "AGENT_WORKER_KEY is no worker key.", _MINT)
        return
    if days <= 0:
        yield fault("worker key", "AGENT_WORKER_KEY has expired.", _MINT)
        return
    if days < 14:
        yield warning("worker key", f"AGENT_WORKER_KEY ends in {days:.0f} days.", _MINT)
    bearer = {"Authorization": f"Bearer {key.get_secret_value()}"}
    # It hands out what nobody was told yet, and notes nothing.
    answer = http.post("/rest/v1/rpc/run_maintenance", json={"p_task": "alerts", "p_delivered": []}, headers=bearer)
    code = _code(answer)
    if answer.status_code == 200:
        yield ok("trust", "PostgREST trusts our key, and the database knows the worker.")
        beside = http.post("/rest/v1/rpc/agent_status", json={}, headers=bearer)
        if _detail(beside) == "worker_refused":
            yield ok("hook", "The pre-request hook is asked.")
        else:
            yield fault("hook", "The pre-request hook is not asked: a worker's key is stopped by grants alone.", HOOK)
    elif code == "PT401":
        yield fault("worker key", "AGENT_WORKER_KEY was revoked, or is of another project.", _MINT)
    elif code == "PGRST202":
        yield skipped("trust", "Nothing is installed yet.", "account-agent migrate")
    else:
        yield fault("trust", f"PostgREST does not trust our key ({code or answer.status_code}).", _TRUST)
    if http.get("/auth/v1/user", headers=bearer).status_code == 200:
        yield fault(
            "trust", "Auth takes a worker's key for a user's token.", "Revoke it (agent.revoke_worker_key) and tell us."
        )


def _code(answer: httpx.Response) -> str:
    return _field(answer, "code")


def _detail(answer: httpx.Response) -> str:
    return _field(answer, "details")


def _field(answer: httpx.Response, name: str) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    if answer.is_success:
        return "ok"
    return str(body.get(name) or "") if isinstance(body, dict) else ""
