"""What people do with drafts over HTTP: two users, an admin, an anonymous caller."""

import uuid

import pytest

from tests.integration.api.conftest import asking, drafted, sign_out

NOBODY = str(uuid.uuid4())


def test_a_draft_from_asking_to_approval(ada, sql):
    draft = drafted(ada, hints="Thank her.")
    assert draft["status"] == "pending"
    assert draft["clientId"] == ada.client_id
    edit = {"version": draft["version"], "subject": "Our talk", "content": "Dear Dana,\n\nthank you."}
    edited = ada.http.patch(f"/api/ai/drafts/{draft['id']}", json=edit).json()
    assert (edited["version"], edited["status"]) == (draft["version"] + 1, "edited")
    stale = ada.http.post(f"/api/ai/drafts/{draft['id']}/approve", json={"contentHash": draft["contentHash"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "draft_changed")
    yes = ada.http.post(f"/api/ai/drafts/{draft['id']}/approve", json={"contentHash": edited["contentHash"]})
    assert yes.status_code == 200, yes.text
    assert yes.json()["status"] == "approved"
    logged = sql.execute(
        "select content from public.activities where client_id = %s and type = 'note'", [ada.client_id]
    )
    assert [row[0] for row in logged] == [edit["content"]]
    one = ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()
    assert [revision["content"] for revision in one["revisions"]][-1] == edit["content"]


def test_an_edit_of_an_older_version_is_refused(ada):
    draft = drafted(ada)
    edit = {"version": draft["version"], "subject": "A", "content": "Mine."}
    path = f"/api/ai/drafts/{draft['id']}"
    assert ada.http.patch(path, json=edit).status_code == 200
    second = ada.http.patch(path, json=edit | {"content": "Theirs."})
    assert (second.status_code, second.json()["code"]) == (409, "draft_changed")
    assert ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()["content"] == "Mine."


def test_a_second_open_draft_is_refused_and_named(ada):
    draft = drafted(ada)
    again = ada.http.post("/api/ai/drafts/generate", json=asking(ada))
    assert again.status_code == 409
    assert (again.json()["code"], again.json()["reference"]) == ("draft_open", draft["id"])
    assert again.headers["content-type"] == "application/problem+json"


def test_regenerating_supersedes(ada):
    draft = drafted(ada)
    new = ada.http.post(f"/api/ai/drafts/{draft['id']}/regenerate", json={"hints": "Shorter."})
    assert new.status_code == 201, new.text
    assert new.json()["supersedesId"] == draft["id"]
    assert ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()["status"] == "superseded"


def test_lists_page_by_page_and_by_status(ada):
    ids = [drafted(ada, draftType=kind)["id"] for kind in ("email", "note", "memo", "task")]
    ada.http.post(f"/api/ai/drafts/{ids[0]}/reject", json={"reason": "Not now."})
    seen, before = [], None
    while True:
        params = {"limit": 3} | ({"before": before} if before else {})
        page = ada.http.get(f"/api/ai/drafts/{ada.client_id}", params=params).json()
        seen += [item["id"] for item in page["items"]]
        if (before := page["next"]) is None:
            break
    assert seen == ids[::-1]
    rejected = ada.http.get("/api/ai/drafts", params={"status": "rejected"}).json()["items"]
    assert [item["id"] for item in rejected] == ids[:1]


def test_bulk_tells_of_each(ada, bob):
    mine, theirs = drafted(ada, draftType="memo"), drafted(bob, draftType="memo")
    shown = [{"id": draft["id"], "contentHash": draft["contentHash"]} for draft in (mine, theirs)]
    results = {item["id"]: item for item in ada.http.post("/api/ai/drafts/approve", json={"drafts": shown}).json()}
    assert results[mine["id"]] == {"id": mine["id"], "ok": True, "error": None}
    assert results[theirs["id"]]["error"]["code"] == "draft_not_found"
    open_one = drafted(ada, draftType="note")
    ids = [open_one["id"], theirs["id"], mine["id"]]
    deleted = ada.http.post("/api/ai/drafts/delete", json={"ids": ids}).json()
    assert [item["ok"] for item in deleted] == [True, False, False]
    assert bob.http.get(f"/api/ai/drafts/by-id/{theirs['id']}").json()["status"] == "pending"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/ai/drafts/by-id/{id}", None),
        ("PATCH", "/api/ai/drafts/{id}", {"version": 1, "subject": "X", "content": "X"}),
        ("POST", "/api/ai/drafts/{id}/approve", {"contentHash": "{hash}"}),
        ("POST", "/api/ai/drafts/{id}/reject", {}),
        ("POST", "/api/ai/drafts/{id}/regenerate", {}),
    ],
)
def test_a_draft_is_its_owners_alone(ada, strangers, method, path, body):
    draft = drafted(ada, draftType="memo")
    body = {name: draft["contentHash"] if value == "{hash}" else value for name, value in (body or {}).items()}
    sent = {"json": body} if method != "GET" else {}
    answers = [http.request(method, path.format(id=draft["id"]), **sent) for http in strangers]
    assert [answer.status_code for answer in answers] == [404, 404, 403, 401]
    assert not any(draft["content"][:20] in answer.text for answer in answers)
    assert ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()["status"] == "pending"


def test_a_request_is_its_owners_alone(ada, bob):
    draft = drafted(ada)
    mine = ada.http.get(f"/api/ai/requests/{draft['requestId']}").json()
    assert (mine["state"], mine["draft"]["id"]) == ("done", draft["id"])
    assert bob.http.get(f"/api/ai/requests/{draft['requestId']}").status_code == 404
    assert bob.http.post(f"/api/ai/requests/{draft['requestId']}/cancel").status_code == 404


def test_who_is_signed_out_reads_and_does_no_more(ada, stack):
    draft = drafted(ada, draftType="memo")
    sign_out(stack, ada)
    assert ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").status_code == 200
    refused = {
        "approve": ada.http.post(f"/api/ai/drafts/{draft['id']}/approve", json={"contentHash": draft["contentHash"]}),
        "edit": ada.http.patch(f"/api/ai/drafts/{draft['id']}", json={"version": 1, "content": "X"}),
        "delete": ada.http.post("/api/ai/drafts/delete", json={"ids": [draft["id"]]}),
    }
    assert {name: answer.status_code for name, answer in refused.items()} == {
        "approve": 401,
        "edit": 401,
        "delete": 401,
    }
    assert ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()["content"] == draft["content"]


def test_too_many_drafts_a_minute_is_429_with_the_time_to_wait(ada, sql):
    sql.execute("update public.ai_settings set drafts_per_minute = 1")
    try:
        drafted(ada, draftType="memo")
        answer = ada.http.post("/api/ai/drafts/generate", json=asking(ada, draftType="note"))
    finally:
        sql.execute("update public.ai_settings set drafts_per_minute = 1000")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_an_unknown_client_and_a_colleagues_are_the_same(ada, bob):
    strangers = [
        ada.http.post("/api/ai/drafts/generate", json=asking(ada, clientId=id_)) for id_ in (NOBODY, bob.client_id)
    ]
    assert [answer.status_code for answer in strangers] == [404, 404]
    assert strangers[0].json() == strangers[1].json()


@pytest.mark.parametrize("path", ["context/{client}", "drafts", "drafts/{client}", "requests/{request}", "events"])
def test_reading_takes_a_person(ada, anonymous, api, path):
    draft = drafted(ada, draftType="memo")
    path = path.format(client=ada.client_id, request=draft["requestId"])
    refused = anonymous.get(f"/api/ai/{path}")
    assert refused.status_code in (403, 404)
    with api.client() as nobody:
        answer = nobody.get(f"/api/ai/{path}")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
