"""Who asks: roles, rights and the pre-request hook. What a token must be is in tests/integration/tokens."""

from __future__ import annotations

from ._vector import ANY, Vector, error

TOKENS = [
    Vector(
        "GET /documents?select=title",
        200,
        "Tokens: the role and sub of a user reach row security",
        [{"title": "of a"}],
        who="user_a",
    ),
    Vector(
        "GET /documents?select=title", 200, "Tokens: another user sees other rows", [{"title": "of b"}], who="user_b"
    ),
    Vector("GET /documents?select=title", 200, "Tokens: the publishable key is anon, which sees none", []),
    Vector("GET /documents?select=title", 200, "Tokens: without Authorization the apikey counts", [], who=None),
    Vector(
        "POST /documents",
        403,
        "Rights: row security refuses a user's insert with 403",
        send={"owner_id": "00000000-0000-4000-8000-00000000000b", "title": "x"},
        who="user_a",
        error=error("42501", 'new row violates row-level security policy for table "documents"'),
    ),
    Vector(
        "POST /documents",
        401,
        "Rights: row security refuses anon's insert with 401",
        send={"owner_id": "00000000-0000-4000-8000-00000000000b", "title": "x"},
        error=error("42501"),
    ),
    Vector(
        "GET /documents?select=title",
        200,
        "Tokens: HS256 by the agent key's kid is trusted",
        [{"title": "of a"}],
        who="agent",
    ),
    Vector("GET /items?zzz", 401, "Order: the token comes before everything", who="empty", error=error("PGRST301")),
    Vector(
        "GET /items",
        401,
        "Tokens: a role that does not exist is 401",
        who="no_such_role",
        error=error("22023", 'role "nobody_here" does not exist'),
    ),
    Vector("GET /items", 403, "Tokens: a role the gateway may not take is 403", who="superuser", error=error("42501")),
    Vector(
        "GET /items",
        401,
        "Tokens: 401 has a challenge and a code in Proxy-Status",
        who="two_parts",
        headers={
            "www-authenticate": 'Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 2"',
            "proxy-status": "PostgREST; error=PGRST301",
        },
    ),
    Vector(
        "HEAD /items",
        401,
        "Tokens: HEAD tells the code in Proxy-Status alone",
        b"",
        who="two_parts",
        headers={"proxy-status": "PostgREST; error=PGRST301"},
    ),
    Vector("GET /items?select=id&id=eq.1", 200, "Tokens: without a role claim it is anon", [{"id": 1}], who="roleless"),
    Vector("GET /items?select=id&id=eq.1", 200, "Pre-request: its error is the answer", ANY),
    Vector(
        "GET /items",
        418,
        "Pre-request: its error is the answer",
        sent_headers={"x-refuse": "1"},
        error={"code": "PT418", "message": "refused", "details": "by_hook", "hint": "Leave the header out."},
    ),
    Vector(
        "POST /items",
        405,
        "Pre-request: it may make the request read-only",
        send={"id": 5},
        sent_headers={"x-read-only": "1"},
        error=error("25006"),
    ),
]
