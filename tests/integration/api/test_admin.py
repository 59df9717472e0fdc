"""What administrators see and set, and that nobody else does."""

import pytest

from tests.integration.api.conftest import asking, drafted

NOBODY = "00000000-0000-4000-8000-000000000000"
ROUTE = {"draftType": "memo", "purpose": "custom", "model": "claude-haiku-5-5", "degradedModel": "claude-haiku-5-5"}
OPERATIONS = [
    ("GET", "settings", None),
    ("PATCH", "settings", {"draftsPerMinute": 1}),
    ("GET", "budgets", None),
    ("PUT", "budgets", {"scope": "user", "period": "day", "limitUsd": 1000}),
    ("GET", "alerts", None),
    ("POST", f"alerts/{NOBODY}/acknowledge", None),
    ("GET", "switches", None),
    ("PUT", "switches", {"scope": "organisation", "subject": "*", "isOn": False, "reason": "No."}),
    ("GET", "routes", None),
    ("PUT", "routes", ROUTE),
    ("GET", "legal-holds", None),
    ("PUT", "legal-holds", {"clientId": NOBODY, "isHeld": True, "reason": "No."}),
    ("POST", "erasures", {"clientId": NOBODY}),
    ("POST", "exports", {"clientId": NOBODY}),
    ("GET", "suggestion-rules", None),
    ("PUT", "suggestion-rules/no_activity", {"isOn": True}),
]


def ask(http, method, name, body=None):
    return http.request(method, f"/api/ai/admin/{name}", **({"json": body} if body is not None else {}))


@pytest.fixture
def others(ada, bob, anonymous, api):
    """Who is no admin."""
    with api.client() as nobody:
        yield [ada.http, bob.http, anonymous, nobody]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one[0]}-{one[1]}")
def test_nobody_else_does(others, sql, operation):
    before = sql.execute("select s::text from public.ai_settings as s").fetchone()
    answers = [ask(http, *operation) for http in others]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 401]
    assert {answer.json()["code"] for answer in answers[:2]} == {"not_an_admin"}
    assert sql.execute("select s::text from public.ai_settings as s").fetchone() == before


def test_every_operation_of_admins_is_among_them(api):
    with api.client() as http:
        paths = http.get("/openapi.json").json()["paths"]
    offered = {
        (
            method.upper(),
            path.removeprefix("/api/ai/admin/").replace("{alertId}", NOBODY).replace("{ruleKey}", "no_activity"),
        )
        for path, item in paths.items()
        if path.startswith("/api/ai/admin/")
        for method in item
    }
    assert offered == {(method, name) for method, name, _ in OPERATIONS}


def test_settings_change_all_or_none(admin, sql):
    before = ask(admin.http, "GET", "settings").json()
    try:
        changed = ask(admin.http, "PATCH", "settings", {"draftExpiryDays": 9, "timeZone": "Europe/Paris"})
        assert (changed.json()["draftExpiryDays"], changed.json()["timeZone"]) == (9, "Europe/Paris")
        for wrong, code in (
            ({"draftExpiryDays": 8, "draftsPerMinute": -1}, "invalid_argument"),
            ({"draftExpiryDays": 8, "mine": 1}, "unknown_setting"),
            ({"draftExpiryDays": "soon"}, "invalid_argument"),
            ({}, "invalid_argument"),
        ):
            refused = ask(admin.http, "PATCH", "settings", wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, code)
        assert ask(admin.http, "GET", "settings").json()["draftExpiryDays"] == 9
    finally:
        names = ("draftExpiryDays", "timeZone")
        ask(admin.http, "PATCH", "settings", {name: before[name] for name in names})


def test_a_budget_is_set_and_holds(admin, ada):
    sent = {"scope": "user", "period": "day", "userId": str(ada.person.id), "limitTokens": 0}
    budget = ask(admin.http, "PUT", "budgets", sent)
    assert budget.status_code == 200, budget.text
    listed = {item["userId"]: item for item in ask(admin.http, "GET", "budgets").json()}
    assert listed[str(ada.person.id)] == budget.json()
    stranger = ask(admin.http, "PUT", "budgets", sent | {"userId": NOBODY})
    assert (stranger.status_code, stranger.json()["code"]) == (400, "invalid_argument")


def test_a_switch_stops_asking_and_says_why(admin, ada):
    switch = {"scope": "client", "subject": ada.client_id, "isOn": False, "reason": "Under review."}
    assert ask(admin.http, "PUT", "switches", switch).status_code == 204
    assert ada.client_id in {item["subject"] for item in ask(admin.http, "GET", "switches").json()}
    refused = ada.http.post("/api/ai/drafts/generate", json=asking(ada))
    assert (refused.status_code, refused.json()["code"]) == (403, "ai_off")
    assert "Under review." in refused.json()["detail"]
    assert ask(admin.http, "PUT", "switches", switch | {"isOn": True}).status_code == 204
    drafted(ada)


def test_an_alert_is_seen_once(admin, sql):
    (alert_id,) = sql.execute(
        "insert into public.ai_alerts (kind, dedupe_key, severity, message) "
        "values ('error_rate', 'api', 'warning', 'X') returning id"
    ).fetchone()
    assert str(alert_id) in {item["id"] for item in ask(admin.http, "GET", "alerts").json()}
    seen = ask(admin.http, "POST", f"alerts/{alert_id}/acknowledge").json()
    assert (seen["acknowledgedBy"], seen["acknowledgedAt"] is None) == (str(admin.person.id), False)
    assert ask(admin.http, "POST", f"alerts/{NOBODY}/acknowledge").status_code == 404


def test_a_route_is_set(admin):
    assert ask(admin.http, "PUT", "routes", ROUTE).status_code == 204
    assert ROUTE | {"kind": "draft"} in ask(admin.http, "GET", "routes").json()
    unknown = ask(admin.http, "PUT", "routes", ROUTE | {"model": "no-such-model"})
    assert unknown.status_code == 400


def test_everybody_sees_whether_ai_is_there(ada, admin, anonymous, api):
    with api.client() as nobody:
        answers = [http.get("/api/ai/status") for http in (ada.http, admin.http, anonymous, nobody)]
    assert [answer.status_code for answer in answers] == [200, 200, 403, 401]
    assert answers[0].json()["state"] == "available"


def test_data_is_held_handed_out_and_erased(admin, ada):
    draft = drafted(ada, draftType="memo")
    exported = ask(admin.http, "POST", "exports", {"clientId": ada.client_id})
    assert draft["content"] == exported.json()["tables"]["public.ai_drafts"][0]["content"]
    hold = {"clientId": ada.client_id, "isHeld": True, "reason": "Case 1."}
    assert ask(admin.http, "PUT", "legal-holds", hold).status_code == 204
    assert ask(admin.http, "GET", "legal-holds").json()[0]["reason"] == "Case 1."
    held = ask(admin.http, "POST", "erasures", {"clientId": ada.client_id})
    assert (held.status_code, held.json()["code"]) == (409, "legal_hold")
    assert ask(admin.http, "PUT", "legal-holds", hold | {"isHeld": False}).status_code == 204
    erased = ask(admin.http, "POST", "erasures", {"clientId": ada.client_id})
    assert erased.status_code == 200, erased.text
    assert ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").status_code == 404
