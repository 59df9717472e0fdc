"""What any worker does once a minute for all, over HTTP, with a webhook that is a server."""

import http.server
import json
import threading

import pytest
from pydantic import SecretStr

from workers.maintenance import tend

ALERT = (
    "insert into public.ai_alerts (kind, dedupe_key, severity, message, details)"
    " values ('error_rate', %s, 'critical', '9 of 10 attempts failed.', '{\"attempts\": 10}')"
)


class Webhook(http.server.ThreadingHTTPServer):
    """Takes what is posted, or refuses it."""

    status = 200

    def __init__(self):
        self.posted = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                webhook.posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def of(self, what):
        return [posted for posted in self.posted if what in posted]

    @property
    def url(self):
        return SecretStr(f"http://127.0.0.1:{self.server_port}/hook/secret")


@pytest.fixture
def webhook():
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def alerts(sql):
    """Alerts of this test alone; `alerts(*keys)` writes them."""
    sql.execute("delete from public.ai_alerts")
    yield lambda *keys: [sql.execute(ALERT, [key]) for key in keys]
    sql.execute("delete from public.ai_alerts")


def delivered(sql):
    return sql.execute("select count(*) from public.ai_alerts where delivered_at is not null").fetchone()[0]


def test_new_alerts_are_posted_once(on_stack, webhook, alerts, sql):
    alerts("one", "two")
    on_stack(lambda _, jobs: tend(jobs, webhook.url))
    on_stack(lambda _, jobs: tend(jobs, webhook.url))
    (posted,) = webhook.of("alerts")
    assert posted["text"] == "critical: 9 of 10 attempts failed.\ncritical: 9 of 10 attempts failed."
    assert {alert["kind"] for alert in posted["alerts"]} == {"error_rate"}
    assert [alert["details"] for alert in posted["alerts"]] == [{"attempts": 10}] * 2
    assert delivered(sql) == 2


def test_an_alert_that_was_not_taken_is_posted_again(on_stack, webhook, alerts, sql, capsys):
    alerts("one")
    webhook.status = 500
    on_stack(lambda _, jobs: tend(jobs, webhook.url))
    assert delivered(sql) == 0
    webhook.status = 200
    on_stack(lambda _, jobs: tend(jobs, webhook.url))
    assert len(webhook.of("alerts")) == 2
    assert delivered(sql) == 1
    logged = "".join(capsys.readouterr())
    assert "secret" not in logged, "the webhook's URL is a secret"


def test_a_webhook_that_is_away_is_no_trouble_for_the_worker(on_stack, alerts, sql):
    alerts("one")
    on_stack(lambda _, jobs: tend(jobs, SecretStr("http://127.0.0.1:9/")))
    assert delivered(sql) == 0


def test_without_a_webhook_alerts_wait_for_one(on_stack, alerts, sql):
    alerts("one")
    on_stack(lambda _, jobs: tend(jobs, None))
    assert delivered(sql) == 0


def test_anchors_of_the_audit_log_are_posted_and_filed_once(on_stack, webhook, sql, tmp_path):
    sql.execute("delete from agent.maintenance_runs")
    sql.execute("delete from agent.audit_anchors")
    file = tmp_path / "anchors"
    on_stack(lambda _, jobs: tend(jobs, webhook.url, file))
    on_stack(lambda _, jobs: tend(jobs, webhook.url, file))
    (posted,) = webhook.of("anchors")
    (anchor,) = posted["anchors"]
    assert posted["text"].startswith(f"audit log: {anchor['count']} rows, ending with {anchor['head_hash']}")
    assert [json.loads(line) for line in file.read_text().splitlines()] == [anchor]
    last = "select chain_position, hash from agent.audit_log where chain_position is not null order by 1 desc limit 1"
    assert sql.execute(last).fetchone() == (anchor["count"], anchor["head_hash"])


def test_a_file_that_cannot_be_written_leaves_the_anchor_for_later(on_stack, sql, tmp_path):
    sql.execute("delete from agent.maintenance_runs")
    sql.execute("delete from agent.audit_anchors")
    on_stack(lambda _, jobs: tend(jobs, None, tmp_path / "no such folder" / "anchors"))
    assert sql.execute("select count(*) from agent.audit_anchors where delivered_at is null").fetchone()[0] == 1


def test_money_that_a_dead_attempt_holds_is_settled(on_stack, person, sql):
    async def run(supabase, jobs):
        params = {"p_client_id": str(person.client_id), "p_draft_type": "note", "p_purpose": "follow_up"}
        await supabase.rpc("request_draft", params, token=person.token)
        (job,) = await jobs.claim(["draft"], limit=1, lease_seconds=10)
        await jobs.reserve(
            job.token, provider="anthropic", model="claude-haiku-5-5", input_tokens=1000, output_tokens=1000
        )
        sql.execute("update agent.jobs set due_at = now() - interval '16 minutes'")
        sql.execute("delete from agent.maintenance_runs")
        await tend(jobs, None)

    on_stack(run)
    spent, reserved = sql.execute(
        "select spent_usd, reserved_usd from agent.ledger where user_id = %s and period = 'day'", [person.id]
    ).fetchone()
    assert (spent > 0, reserved) == (True, 0)
    outcome = sql.execute("select outcome from public.ai_interactions where user_id = %s", [person.id]).fetchone()
    assert outcome == ("orphaned",)
