"""The schedule of docs/cron.md, with stand-ins for pg_cron and pg_net: the SQL there is valid and asks for a turn."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "cron.md"
# Names and arguments of pg_cron 1.6 and pg_net 0.14.
STAND_INS = """
create schema cron;
create table cron.job (jobname text, schedule text, command text);
create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
$$ insert into cron.job values (job_name, schedule, command) returning 1::bigint $$;
create schema net;
create table net._http_response (status_code integer, content text, error_msg text, created timestamptz);
create table net.asked (url text, headers jsonb, timeout_milliseconds integer);
create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}',
  timeout_milliseconds integer default 5000
) returns bigint language sql as
$$ insert into net.asked values (url, headers, timeout_milliseconds) returning 1::bigint $$;
"""


def test_the_schedule_asks_for_a_turn(db):
    schedule, look, *_ = re.findall(r"```sql\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    db.execute(STAND_INS)
    db.execute(schedule)
    (name, cron, command), *others = db.execute("select * from cron.job").fetchall()
    assert (name, cron, others) == ("agent-tick", "* * * * *", [])
    assert "the worker key" not in command
    db.execute(command)
    url, headers, timeout = db.execute("select * from net.asked").fetchone()
    assert url == "https://agent.example.com/workers/tick?seconds=50"
    assert headers["Authorization"] == "Bearer the worker key"
    assert timeout > 50_000
    db.execute(look)
