"""Types, operators and functions of one's own under the names that ours use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.attacks.cases.completing import BEGIN, NOBODY, inserted
from tests.attacks.cases.keys import FILES
from tests.attacks.cases.people import ADMIN, AGENT, OWNER, WORKER
from tests.attacks.model import Answer, Attack, Reply, Statement, Who
from tests.attacks.scene import Scene

PLANT_TYPES, PLANT_OPERATORS = ((FILES / f"plant_{what}.sql").read_text() for what in ("types", "operators"))

TRY_ALL = (FILES / "try_all.sql").read_text()

UNDONE = "do $d$ begin raise exception 'nothing was taken over' using errcode = 'UNDON'; end $d$;"


@dataclass(frozen=True)
class NotTakenOver(Answer):
    """The transaction went to its end and was undone; nothing of the session's own ran with another's rights."""

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        code = reply.error[0] if reply.error else ""
        return None if code == "UNDON" else "succeeded" if code == "HIJAK" else "refused otherwise"

    def __str__(self) -> str:
        return "done, and nothing ran with another's rights"


PLAYGROUND = "create schema playground; grant all on schema playground to authenticated, agent_worker;"

AS_OF_ALL = "grant execute on all functions in schema agent, public to authenticated, agent_worker;" + PLAYGROUND

PLANTS = {"playground": (PLANT_TYPES + PLANT_OPERATORS, "playground, pg_catalog"), "pg_temp": (PLANT_TYPES, "public")}


def hijack(who: Who, tag: str, where: str, calls: Callable[[Scene], list[str]], *, given: str = "") -> Attack:
    """Plant things in a schema that comes first, then call all that can be called."""
    planted, path = PLANTS[where]

    def tries(s: Scene) -> list[Statement]:
        own = "".join(f"select pg_temp.try($c${call}$c$);" for call in calls(s))
        start = planted.replace("{schema}", where).replace("{role}", who.claims(s)["role"])
        return [Statement(f"{start} set local search_path = {path}; {TRY_ALL} {own} {UNDONE}")]

    kind = (
        "Types of the session's own"
        if where == "pg_temp"
        else "Types, operators and functions in a schema that is searched first"
    )
    return Attack(
        f"key-{where.removeprefix('pg_')}-{tag}",
        f"{kind}, with the names that our functions use: what the {who.name} calls ({tag}).",
        (who,),
        tries,
        NotTakenOver(),
        hook=False,
        given=given + AS_OF_ALL,
        proves=("search_path *",),
        leaves_traces=True,
        only="sql: it takes several statements in one session",
    )


def person_calls(s: Scene) -> list[str]:
    return [
        f"select public.request_draft('{s.acme}', 'note', 'follow_up', 'x', 'en')",
        f"select public.approve_draft('{s.mail}', '{s.mail_hash}')",
        f"select public.get_client_context('{s.acme}')",
        f"select agent.request_draft_v2('{s.apex}', 'note', 'follow_up', 'x', 'en', null, null, null, false, null)",
        f"select agent.approve_draft_v1('{s.done_draft}', '{s.done_draft_hash}')",
        f"select agent.reject_draft_v1('{s.draft}', 'x')",
        f"select agent.edit_draft_v1('{s.mail}', 1, 'Mine', 'My words.', null)",
        f"select agent.draft_to_regenerate_v1('{s.done_draft}')",
        "select agent.agent_status_v1()",
        "select agent.take_request_slot_v1('context')",
        f"select agent.record_consent_v1('training', false, '{s.acme}', null, 'x')",
        f"select agent.list_consents_v1('{s.acme}', null)",
        f"select agent.delete_drafts_v1(array['{s.draft}']::uuid[])",
        "update public.deals set stage = 'won'",
        "insert into public.deals (client_id, title) select id, 'x' from public.clients",
    ]


def admin_calls(s: Scene) -> list[str]:
    return [
        "select agent.set_ai_switch_v1('role', 'nobody', false, 'x')",
        "select agent.list_ai_switches_v1()",
        "select agent.set_model_route_v1('draft', 'note', '*', 'claude-haiku-5-5', 'claude-haiku-5-5')",
        "select agent.list_model_routes_v1()",
        "select agent.set_budget_v1('user', 'day', 1, 1, null)",
        "select agent.acknowledge_alert_v1(null)",
        f"select agent.set_legal_hold_v1(true, '{s.acme}', null, 'x')",
        "select agent.list_legal_holds_v1()",
        f"select agent.export_client_data_v1('{s.acme}')",
        f"select agent.erase_client_ai_data_v1('{s.bolt}')",
        "delete from public.clients",
        "select agent.set_ai_settings_v1('{\"drafts_per_minute\": 20}')",
    ]


def agent_calls(s: Scene) -> list[str]:
    return [
        f"select public.get_client_context('{s.acme}')",
        BEGIN,
        inserted(s, id=NOBODY),
        f"select agent.finish_complete_v1('{NOBODY}', 'offline', 'x', null)",
        "set constraints all immediate",
    ]


def worker_calls(s: Scene) -> list[str]:
    beside = s.tokens["agent_beside"]
    return [
        "select agent.run_maintenance_v1('sweep', null)",
        "select agent.run_maintenance_v2('retention', null)",
        "select agent.run_maintenance_v2('audit', null)",
        "select agent.run_maintenance_v2('anchors', null)",
        "select agent.claim_jobs_v1(null, 50, 60, null)",
        f"select agent.reserve_budget_v1('{beside}', 'anthropic', 'claude-haiku-5-5', 1, 1, null, true)",
        f"select agent.start_batch_v1('anthropic', jsonb_build_array(jsonb_build_object('token', '{beside}')))",
        "select agent.submit_batch_v1(id, 'x', null) from agent.batches",
        f"select agent.submit_batch_v1('{NOBODY}', 'x', null)",
        "select agent.poll_batches_v1('anthropic')",
        f"select agent.end_batch_v1('{NOBODY}')",
        f"select agent.heartbeat_job_v1('{s.tokens['agent']}', 60)",
        f"select agent.fail_job_v1('{s.tokens['agent']}', 'refused', null, null)",
    ]


ATTACKS = [
    *[
        hijack(who, tag, where, calls)
        for where in PLANTS
        for who, tag, calls in (
            (OWNER, "person", person_calls),
            (ADMIN, "admin", admin_calls),
            (AGENT, "agent", agent_calls),
            (WORKER, "worker", worker_calls),
        )
    ],
]
