"""Suggestions over HTTP: found when a client is opened, done once, taken back; nobody else's."""

import datetime as dt

import pytest

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def late(sql):
    """Return a function that gives a client, whose mail waits for its answer, a late task and a deal that stalls."""

    def make(client_id):
        sql.execute(
            "insert into public.tasks (client_id, title, due_at) "
            "values (%s, 'Send the offer', now() - interval '2 days')",
            [client_id],
        )
        sql.execute(
            "insert into public.deals (client_id, title, stage, amount, opened_at) "
            "values (%s, 'Pumps', 'lead', 5000, now() - interval '20 days')",
            [client_id],
        )

    return make


def listed(somebody, client_id=None, **query):
    path = "/api/ai/suggestions" + (f"/{client_id}" if client_id else "")
    answer = somebody.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_client_that_is_opened_has_suggestions_at_once(ada, late):
    late(ada.client_id)
    page = listed(ada, ada.client_id)
    assert {item["ruleKey"] for item in page["items"]} == {"overdue_task", "stalled_deal", "unanswered_message"}
    for item in page["items"]:
        assert item["clientId"] == ada.client_id
        assert item["reasoning"]
        assert item["rankWords"].startswith(item["priority"].title())
        assert item["evidence"]["rows"][0]["table"] in {"tasks", "deals", "activities"}
    assert listed(ada)["items"] == page["items"]


def test_pages_follow_each_other(ada, late):
    late(ada.client_id)
    whole = [item["id"] for item in listed(ada, ada.client_id)["items"]]
    first = listed(ada, limit=2)
    second = listed(ada, limit=2, after=first["next"])
    assert [item["id"] for page in (first, second) for item in page["items"]] == whole
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)


@pytest.mark.parametrize("after", ["x", "e30", "WzFd", "eyJhZnRlcl9zY29yZSI6ICJ4In0"])
def test_a_place_that_is_none_is_refused(ada, after):
    answer = ada.http.get("/api/ai/suggestions", params={"after": after})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_filters(ada, late):
    late(ada.client_id)
    listed(ada, ada.client_id)
    assert [item["ruleKey"] for item in listed(ada, type="task_create")["items"]] == ["overdue_task"]
    assert all(item["priority"] == "high" for item in listed(ada, priority="high")["items"])
    assert ada.http.get("/api/ai/suggestions", params={"type": "x"}).status_code == 422


def test_accepting_does_it_and_undo_takes_it_back(ada, late, sql):
    late(ada.client_id)
    count = "select count(*) from public.tasks where client_id = %s"
    item = next(item for item in listed(ada, ada.client_id)["items"] if item["ruleKey"] == "overdue_task")
    path = f"/api/ai/suggestions/{item['id']}"
    for _ in range(2):
        accepted = ada.http.post(f"{path}/accept")
        assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert accepted.json()["result"]["kind"] == "task"
    assert sql.execute(count, [ada.client_id]).fetchone() == (2,)
    undone = ada.http.post(f"{path}/undo")
    assert (undone.status_code, undone.json()["status"]) == (200, "pending")
    assert sql.execute(count, [ada.client_id]).fetchone() == (1,)


def test_what_has_moved_on_is_not_undone(ada, late, sql):
    late(ada.client_id)
    item = next(item for item in listed(ada, ada.client_id)["items"] if item["ruleKey"] == "overdue_task")
    task = ada.http.post(f"/api/ai/suggestions/{item['id']}/accept").json()["result"]["id"]
    sql.execute("update public.tasks set title = 'Another' where id = %s", [task])
    refused = ada.http.post(f"/api/ai/suggestions/{item['id']}/undo")
    assert (refused.status_code, refused.json()["code"], refused.json()["reference"]) == (409, "moved_on", "task")


def test_dismissed_and_snoozed(ada, late):
    late(ada.client_id)
    one, another, other = listed(ada, ada.client_id)["items"]
    assert ada.http.post(f"/api/ai/suggestions/{another['id']}/dismiss").status_code == 200
    assert ada.http.post(f"/api/ai/suggestions/{one['id']}/dismiss", json={"reason": "No."}).status_code == 200
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    snoozed = ada.http.post(f"/api/ai/suggestions/{other['id']}/snooze", json={"until": until})
    assert (snoozed.status_code, snoozed.json()["status"]) == (200, "pending")
    assert listed(ada, ada.client_id)["items"] == []
    assert [item["id"] for item in listed(ada, ada.client_id, includeSnoozed=True)["items"]] == [other["id"]]
    past = ada.http.post(f"/api/ai/suggestions/{other['id']}/snooze", json={"until": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["code"]) == (400, "invalid_argument")


def test_they_are_nobody_elses(ada, late, strangers):
    late(ada.client_id)
    item = listed(ada, ada.client_id)["items"][0]
    actions = [f"/api/ai/suggestions/{item['id']}/{verb}" for verb in ("accept", "undo", "dismiss")]
    statuses = [[stranger.post(action).status_code for action in actions] for stranger in strangers]
    assert statuses == [[404] * 3, [404] * 3, [403] * 3, [401] * 3]
    reads = [stranger.get(f"/api/ai/suggestions/{ada.client_id}").status_code for stranger in strangers]
    assert reads == [404, 200, 403, 401], "an admin sees the client, and gets suggestions of their own"
    assert [item["id"] for item in listed(ada)["items"]].count(item["id"]) == 1


def test_changes_tell_of_them(ada, late):
    late(ada.client_id)
    listed(ada, ada.client_id)
    with ada.http.stream("GET", "/api/ai/events", headers={"Last-Event-ID": f"{start()}/{NOBODY}"}) as stream:
        kinds = set()
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kinds.add(line[7:])
            if "suggestion" in kinds:
                break
    assert "suggestion" in kinds


def start():
    return (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).isoformat()


def test_the_rules_are_for_admins(ada, admin, sql):
    before = {rule["ruleKey"]: rule for rule in admin.http.get("/api/ai/admin/suggestion-rules").json()}
    assert before["stalled_deal"]["thresholds"]["days"] == 14
    path = "/api/ai/admin/suggestion-rules/stalled_deal"
    try:
        assert admin.http.put(path, json={"thresholds": {"days": 20}, "weight": 1.5}).status_code == 204
        after = {rule["ruleKey"]: rule for rule in admin.http.get("/api/ai/admin/suggestion-rules").json()}
        assert (after["stalled_deal"]["thresholds"]["days"], after["stalled_deal"]["weight"]) == (20, 1.5)
    finally:
        admin.http.put(path, json={"thresholds": {"days": 14}, "weight": 1})
    refused = admin.http.put(path, json={"thresholds": {"day": 1, "days": 0}})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_argument")
    assert "p_thresholds.day:" in refused.json()["detail"]
    assert "p_thresholds.days:" in refused.json()["detail"]
    assert admin.http.put("/api/ai/admin/suggestion-rules/x", json={}).status_code == 404
    assert ada.http.get("/api/ai/admin/suggestion-rules").status_code == 403
    assert ada.http.put(path, json={"isOn": False}).status_code == 403
