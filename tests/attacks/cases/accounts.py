"""The user's password and sign-in, at Supabase Auth."""

from __future__ import annotations

from tests.attacks.cases.people import AGENTS, ANON, WORKER
from tests.attacks.model import Attack, Http, one_of, refused

NO_SESSION = refused("session_not_found")


ATTACKS = [
    Attack(
        "account-password",
        "The job's token changes its user's password, address, name or data at Supabase Auth.",
        AGENTS,
        lambda s: [
            Http("PUT /auth/v1/user", body)
            for body in (
                {"password": "taken-over-1"},
                {"email": "thief@example.com"},
                {"data": {"role": "admin"}},
                {"phone": "+15550100"},
                {},
            )
        ],
        NO_SESSION,
        only="http: it is Supabase Auth that is asked",
    ),
    Attack(
        "account-read",
        "The job's token reads its user's account, or signs them out.",
        AGENTS,
        lambda s: [Http("GET /auth/v1/user"), Http("POST /auth/v1/logout"), Http("POST /auth/v1/logout?scope=others")],
        NO_SESSION,
        only="http: it is Supabase Auth that is asked",
    ),
    Attack(
        "account-refresh",
        "The job's token, its session or a worker's key buys a new sign-in.",
        (ANON,),
        lambda s: [
            Http("POST /auth/v1/token?grant_type=refresh_token", {"refresh_token": token})
            for token in (s.tokens["agent"], s.agent_session, s.tokens["worker"], "' or true --", "")
        ],
        one_of(refused("refresh_token_not_found"), refused("validation_failed")),
        only="http: it is Supabase Auth that is asked",
    ),
    Attack(
        "account-worker",
        "A worker's key at Supabase Auth.",
        (WORKER,),
        lambda s: [Http("GET /auth/v1/user"), Http("PUT /auth/v1/user", {"password": "taken-over-1"})],
        refused("bad_jwt"),
        only="http: it is Supabase Auth that is asked",
    ),
]
