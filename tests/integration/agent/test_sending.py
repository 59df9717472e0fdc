"""From an approved draft to a mail in a real server's hands: the gateway, the worker, SMTP."""

import json
import os
import subprocess
import sys

import pytest
from pydantic import SecretStr

from agent_service.drafts import draft_handler
from agent_service.llm.offline import OfflineProvider
from agent_service.mail import send_handler, server_of
from agent_service.writing import Providers
from tests.mail_server import DROP, MailServerDouble
from workers.runner import Runner, RunnerOptions


@pytest.fixture
def mailing(sql):
    sql.execute("update public.ai_settings set send_hold_seconds = 0, mail_user_domains = '{example.com}'")
    sql.execute("update auth.users set email_confirmed_at = now()")
    yield
    sql.execute("update public.ai_settings set send_hold_seconds = 30, mail_user_domains = '{}'")


@pytest.fixture
def server():
    with MailServerDouble() as double:
        yield double


async def approved(supabase, jobs, person):
    asked = {"p_client_id": str(person.client_id), "p_draft_type": "email", "p_purpose": "follow_up"}
    await supabase.rpc("request_draft", asked, token=person.token)
    drafts = {"draft": draft_handler(jobs, Providers(OfflineProvider()))}
    await Runner(jobs, drafts, RunnerOptions(once=True)).run()
    (draft,) = await supabase.select("ai_drafts", token=person.token, client_id=str(person.client_id))
    shown = {"p_draft_id": draft["id"], "p_content_hash": draft["content_hash"]}
    await supabase.rpc("approve_draft", shown, token=person.token)
    return draft


async def send(supabase, jobs, person, server):
    draft = await approved(supabase, jobs, person)
    await supabase.rpc("send_draft", {"p_draft_id": draft["id"]}, token=person.token)
    handlers = {"send": send_handler(jobs, server_of(SecretStr(server.url())))}
    summary = await Runner(jobs, handlers, RunnerOptions(once=True)).run()
    (record,) = await supabase.select("ai_sends", token=person.token, draft_id=draft["id"])
    (draft,) = await supabase.select("ai_drafts", token=person.token, id=draft["id"])
    return draft, record, summary


def test_the_approved_text_reaches_the_contact_and_nobody_else(on_stack, mailing, server, person):
    draft, record, summary = on_stack(send, person, server)
    assert summary.ended == {"done": 1}
    assert (record["state"], draft["sent_at"] is not None) == ("sent", True)
    (mail,) = server.accepted
    assert mail["X-Envelope"].split(", ")[1:] == [person.contact_email]
    assert (mail["To"], mail["Subject"]) == (person.contact_email, draft["subject"])
    assert mail["Message-ID"].strip() == record["message_id"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"MAIL": DROP}, ("queued", "mail_deferred", {"queued": 1})),
        ({"RCPT": "550 No such user"}, ("refused", "mail_refused", {"failed": 1})),
        ({"DATA": "554 Spam"}, ("refused", "mail_refused", {"failed": 1})),
        ({"DATA": DROP}, ("unknown", "send_unknown", {"failed": 1})),
    ],
)
def test_each_failure_has_its_end(on_stack, mailing, server, person, *, answers, expected):
    server.answers = answers
    draft, record, summary = on_stack(send, person, server)
    assert (record["state"], record["code"], summary.ended) == expected
    assert record["reason"]
    assert (draft["status"], draft["sent_at"], server.accepted) == ("approved", None, [])


def test_a_server_that_is_away_leaves_the_mail_in_the_queue(on_stack, mailing, person):
    with MailServerDouble() as gone:
        pass
    _, record, summary = on_stack(send, person, gone)
    assert (record["state"], record["begun_at"], summary.ended) == ("queued", None, {"queued": 1})


def test_the_command_sends_where_it_has_a_mail_server(stack, on_stack, mailing, server, person):
    async def queue(supabase, jobs):
        draft = await approved(supabase, jobs, person)
        await supabase.rpc("send_draft", {"p_draft_id": draft["id"]}, token=person.token)

    on_stack(queue)
    # Without a mail server nothing but the sweep of what approving has logged.
    for environment, ended in (({}, {"done": 1}), ({"SMTP_URL": server.url()}, {"done": 1})):
        done = subprocess.run(
            [sys.executable, "-m", "agent_service.cli", "work", "--once", "--json"],
            env=os.environ | stack.env() | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout)["ended"] == ended
        assert len(server.accepted) == len(environment)
