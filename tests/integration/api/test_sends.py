"""An approved mail over HTTP: by one's own program, or by a server after the hold."""

import pytest

from tests.integration.api.conftest import Api, drafted, settings_of, sign_out
from tests.mail_server import MailServerDouble

SUBJECT, TEXT = "Our talk & more", "Dear Dana,\n\nthank you."


@pytest.fixture
def mail_set_up(sql):
    sql.execute("update public.ai_settings set mail_from = 'sales@example.com', send_hold_seconds = 30")
    yield
    sql.execute("update public.ai_settings set mail_from = null")


def approved(somebody, action="save"):
    draft = drafted(somebody)
    path = f"/api/ai/drafts/{draft['id']}"
    edited = somebody.http.patch(path, json={"version": 1, "subject": SUBJECT, "content": TEXT}).json()
    answer = somebody.http.post(f"{path}/approve", json={"contentHash": edited["contentHash"], "action": action})
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(somebody, draft, name, **body):
    return somebody.http.post(f"/api/ai/drafts/{draft['id']}/{name}", **({"json": body} if body else {}))


def test_one_sends_it_oneself(ada, sql):
    draft = approved(ada)
    link = ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()["mailto"]
    assert link["url"].startswith("mailto:")
    assert "subject=Our%20talk%20%26%20more" in link["url"]
    assert link["hasBody"] is True
    sent = act(ada, draft, "mark-sent").json()
    assert (sent["sentAt"] is None, sent["mailto"], sent["sending"]["state"]) == (False, None, "sent")
    assert ada.http.get("/api/ai/drafts", params={"status": "sent"}).json()["items"][0]["id"] == draft["id"]
    logged = "select direction from public.activities where client_id = %s and type = 'email' and content = %s"
    assert sql.execute(logged, [ada.client_id, TEXT]).fetchall() == [("outbound",)]
    assert ada.http.post("/api/ai/drafts/log-sends").json() == {"logged": 0}
    again = act(ada, draft, "mark-sent")
    assert (again.status_code, again.json()["code"]) == (409, "already_sent")


def test_undo_within_the_hold_gives_the_edited_text_back(ada, mail_set_up):
    draft = approved(ada, "send")
    assert draft["sending"]["state"] == "queued"
    undone = act(ada, draft, "undo-send").json()
    assert (undone["status"], undone["content"], undone["subject"]) == ("edited", TEXT, SUBJECT)
    late = act(ada, draft, "undo-send")
    assert (late.status_code, late.json()["code"]) == (409, "send_closed")


def test_what_cannot_be_sent_stays_approved_and_says_why(ada):
    draft = approved(ada)
    refused = act(ada, draft, "send")
    assert (refused.status_code, refused.json()["code"]) == (409, "mail_not_set_up")
    one = ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()
    assert (one["status"], one["sentAt"], one["sending"]) == ("approved", None, None)


@pytest.mark.parametrize("name", ["send", "undo-send", "mark-sent"])
def test_a_mail_is_its_owners_alone(ada, strangers, mail_set_up, name):
    draft = approved(ada, "send" if name == "undo-send" else "save")
    answers = [http.post(f"/api/ai/drafts/{draft['id']}/{name}") for http in strangers]
    missing = 409 if name == "undo-send" else 404
    assert [answer.status_code for answer in answers] == [missing, missing, 403, 401]
    one = ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()
    assert (one["status"], one["sentAt"]) == ("approved", None)


def test_who_is_signed_out_sends_nothing(ada, stack, mail_set_up):
    draft = approved(ada, "send")
    sign_out(stack, ada)
    names = ("send", "undo-send", "mark-sent")
    assert [act(ada, draft, name).status_code for name in names] == [401, 401, 401]
    one = ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()
    assert (one["sending"]["state"], one["sentAt"]) == ("queued", None)


def test_a_tick_sends_what_is_due_where_there_is_a_mail_server(ada, stack, sql, mail_set_up):
    sql.execute("update public.ai_settings set send_hold_seconds = 0")
    draft = approved(ada, "send")
    with (
        MailServerDouble() as server,
        Api(settings_of(stack, smtp_url=server.url())) as api,
        api.client(stack.worker_key()) as cron,
    ):
        # The mail, and a sweep: approving it was a change.
        assert cron.post("/workers/tick").json() == {"ended": {"done": 2}}
    (mail,) = server.accepted
    assert (mail["Subject"], mail["From"].addresses[0].addr_spec) == (SUBJECT, "sales@example.com")
    one = ada.http.get(f"/api/ai/drafts/by-id/{draft['id']}").json()
    assert (one["sending"]["state"], one["sentAt"] is None) == ("sent", False)
