"""Suggestions: written by hand, read by others, accepted without a person; a sweep that reads beside its work."""

from __future__ import annotations

from tests.attacks.cases.answers import AGENT_REFUSED, DENIED, INVALID, NO_CLIENT, NO_FUNCTION, STALE
from tests.attacks.cases.books import verbs, written
from tests.attacks.cases.hijacking import hijack
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENTS,
    ANON,
    ANONYMOUS,
    COLLEAGUE,
    EVERYBODY,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
    WORKER,
)
from tests.attacks.cases.reading import FILLED
from tests.attacks.cases.suggesting_values import ACCEPTED, OF_SWEEP, PENDING
from tests.attacks.model import Attack, Call, Nothing, refused, rpc, sql
from tests.attacks.scene import CRM_TABLES, Scene

SESSION_ENDED = refused("PT401", "session_ended")
NOT_FOUND = refused("PT404", "suggestion_not_found")
CLOSED = refused("PT409", "suggestion_closed")
NOT_AN_ADMIN = refused("PT403", "not_an_admin")
TOMORROW = "2026-12-31T00:00:00Z"
ID = "00000000-0000-4000-8000-00000000516e"  # what PENDING inserts
SESSIONS = (OWNER.but(session_id="00000000-0000-4000-8000-000000000000"), OWNER.but(session_id=...))


def of_a_person(_: Scene) -> list[Call]:
    """Everything that takes a person, on the owner's suggestion."""
    return [
        rpc("accept_suggestion", p_suggestion_id=ID),
        rpc("undo_suggestion", p_suggestion_id=ID),
        rpc("dismiss_suggestion", p_suggestion_id=ID, p_reason="No."),
        rpc("snooze_suggestion", p_suggestion_id=ID, p_until=TOMORROW),
    ]


def evaluating(what: str) -> Call:
    return sql(f"select {what}")


STORE = (
    "agent.store_evaluation_v1('{{}}'::uuid[], '{{}}', array[row('{acme}', 'follow_up', 'high', 'Forged', null, null, "
    "'{{}}', 'no_activity', 90, '{{}}', '{{}}', 'forged', true)::agent.proposal], '{{}}')"
)

AGENT_ROWS = {
    "suggestion_rules": (
        "is_on = false",
        "(rule_key, suggestion_type, watches, description) values ('x', 'x', 'deals', 'x')",
    ),
    "sweeps": ("evaluating_xid = pg_current_xact_id()", "(user_id) values (gen_random_uuid())"),
    "client_watches": ("due_at = now()", "(client_id, user_id) values (gen_random_uuid(), gen_random_uuid())"),
    "client_changes": ("changed_at = now()", "(client_id, user_id) values (gen_random_uuid(), gen_random_uuid())"),
    "refused_evidence": (
        "dedupe_key = 'y'",
        "(user_id, client_id, dedupe_key) values (gen_random_uuid(), gen_random_uuid(), 'x')",
    ),
    "stage_statistics": ("samples = 9", "(stage, samples, won, lost) values ('y', 1, 1, 1)"),
}

ATTACKS = [
    Attack(
        "suggest-agent-tables",
        "Rules, watches, changes, refusals and the pipeline's figures are written by hand: by everybody.",
        EVERYBODY,
        lambda s: [
            *(
                sql(text)
                for table, (change, row) in AGENT_ROWS.items()
                for text in (
                    f"update agent.{table} set {change}",
                    f"delete from agent.{table}",
                    f"truncate agent.{table}",
                    f"insert into agent.{table} {row}",
                )
            ),
            sql("select setval('agent.client_changes_id_seq', 1)"),
        ],
        DENIED,
        hook=False,
        given=FILLED,
        proves=(*written(*(f"agent.{table}" for table in AGENT_ROWS)), "sequence agent.client_changes_id_seq"),
    ),
    Attack(
        "suggest-tables",
        "A suggestion is written by hand, where no policy is in the way: by everybody.",
        EVERYBODY,
        lambda s: [
            *verbs(
                "agent_suggestions",
                {
                    "client_id": s.acme,
                    "assigned_to": s.owner,
                    "suggestion_type": "follow_up",
                    "title": "x",
                    "rule_key": "x",
                    "score": 1,
                    "dedupe_key": "y",
                },
            ),
            sql("truncate agent_suggestions"),
        ],
        DENIED,
        hook=False,
        given=PENDING + "alter table agent_suggestions disable row level security",
        proves=written("public.agent_suggestions"),
    ),
    Attack(
        "suggest-read",
        "Colleagues, admins, strangers and the agent read what was proposed to somebody.",
        (COLLEAGUE, ADMIN, STRANGER, AGENT),
        lambda s: [sql("select string_agg(t::text, ' ') from agent_suggestions as t")],
        Nothing(),
        hook=False,
        given=PENDING,
        proves=(
            "policy public.agent_suggestions_select_own",
            "rls public.agent_suggestions",
            "code policy agent_suggestions_select_own: agent",
        ),
    ),
    Attack(
        "suggest-read-lost",
        "Somebody reads what was proposed for a client that they do not see any more.",
        (OWNER,),
        lambda s: [sql("select string_agg(t::text, ' ') from agent_suggestions as t")],
        Nothing(),
        given=PENDING + "update clients set owner_id = %(colleague)s where id = %(acme)s",
        proves=("code policy agent_suggestions_select_own: client visible",),
    ),
    Attack(
        "suggest-agent",
        "The agent lists, accepts, undoes, dismisses and snoozes, where nobody asks the hook.",
        (*AGENTS, OWNER.but(act=None)),
        lambda s: [rpc("list_suggestions"), *of_a_person(s)],
        AGENT_REFUSED,
        hook=False,
        given=PENDING,
        proves=("code public.list_suggestions: person",),
    ),
    Attack(
        "suggest-agent-hook",
        "The agent lists, accepts, undoes, dismisses and snoozes, where the hook is asked.",
        AGENTS,
        lambda s: [rpc("list_suggestions"), *of_a_person(s)],
        AGENT_REFUSED,
        given=PENDING,
    ),
    Attack(
        "suggest-anonymous",
        "An anonymous sign-in lists and accepts.",
        (ANONYMOUS,),
        lambda s: [rpc("list_suggestions"), *of_a_person(s)],
        refused("PT403", "anonymous_user"),
        given=PENDING,
    ),
    Attack(
        "suggest-without-sign-in",
        "The publishable key alone, service_role and a worker's key list, accept and sweep.",
        (ANON, SERVICE_ROLE, WORKER),
        lambda s: [rpc("list_suggestions"), *of_a_person(s), rpc("complete_sweep_job")],
        NO_FUNCTION,
        hook=False,
        given=PENDING,
    ),
    Attack(
        "suggest-signed-out",
        "A user whose session is gone accepts, undoes, dismisses and snoozes with a token that has not expired.",
        SESSIONS,
        of_a_person,
        SESSION_ENDED,
        given=PENDING,
        proves=("code agent.lock_suggestion_v1: live session",),
    ),
    Attack(
        "suggest-others",
        "A colleague, an admin and a stranger accept, undo, dismiss and snooze what was proposed to somebody else.",
        (COLLEAGUE, ADMIN, STRANGER),
        of_a_person,
        NOT_FOUND,
        given=PENDING,
        proves=("code agent.lock_suggestion_v1: whose", "guard agent.lock_suggestion_v1: suggestion_not_found"),
    ),
    Attack(
        "suggest-closed",
        "A suggestion that was dismissed is accepted and snoozed.",
        (OWNER,),
        lambda s: [
            rpc("accept_suggestion", p_suggestion_id=ID),
            rpc("snooze_suggestion", p_suggestion_id=ID, p_until=TOMORROW),
        ],
        CLOSED,
        given=PENDING + "update agent_suggestions set status = 'dismissed', resolved_at = now()",
        proves=("guard agent.require_open: suggestion_closed",),
    ),
    Attack(
        "suggest-undo-open",
        "A suggestion that nobody accepted is undone.",
        (OWNER,),
        lambda s: [rpc("undo_suggestion", p_suggestion_id=ID)],
        CLOSED,
        given=PENDING,
        proves=("guard agent.begin_undo_v1: suggestion_closed",),
    ),
    Attack(
        "suggest-result",
        "A user writes what their suggestion, accepted earlier, has created, so that undoing takes something else.",
        (OWNER,),
        lambda s: [sql(f'select agent.finish_accept_v1(\'{ID}\', \'{{"kind": "task", "id": "{s.acme_task}"}}\')')],
        Nothing(),
        given=ACCEPTED + "update agent_suggestions set result = null",
        proves=("code agent.finish_accept_v1: transaction",),
    ),
    Attack(
        "suggest-result-again",
        "They write it a second time within the transaction that accepts.",
        (OWNER,),
        lambda s: [sql(f'select agent.finish_accept_v1(\'{ID}\', \'{{"kind": "task", "id": "{s.acme_task}"}}\')')],
        Nothing(),
        given=ACCEPTED + "select testing.cut('agent.finish_accept_v1', ' and resolved_at = now()', '')",
        proves=("code agent.finish_accept_v1: once",),
    ),
    Attack(
        "suggest-stale",
        "A stage is set for a deal that has moved on since it was proposed.",
        (OWNER,),
        lambda s: [rpc("accept_suggestion", p_suggestion_id=ID)],
        refused("PT409", "suggestion_stale"),
        given=PENDING + "update agent_suggestions set action_data = jsonb_build_object("
        "'kind', 'deal_stage', 'deal_id', %(acme_deal)s, 'from', 'proposal', 'to', 'lost')",
        proves=("guard agent.execute_action: suggestion_stale",),
    ),
    Attack(
        "suggest-moved-on",
        "What was created is undone after somebody changed it.",
        (OWNER,),
        lambda s: [rpc("undo_suggestion", p_suggestion_id=ID)],
        refused("PT409", "moved_on"),
        given=ACCEPTED + "update agent_suggestions set result = jsonb_build_object("
        "'kind', 'task', 'id', %(acme_task)s, 'row', 'another')",
        proves=("guard public.undo_suggestion: moved_on",),
    ),
    Attack(
        "suggest-arguments",
        "Times that are past, far or none, reasons without end, filters that there are not.",
        (OWNER,),
        lambda s: [
            *(
                rpc("snooze_suggestion", p_suggestion_id=ID, p_until=when)
                for when in (None, "2020-01-01", "2099-01-01")
            ),
            rpc("dismiss_suggestion", p_suggestion_id=ID, p_reason="x" * 501),
            rpc("list_suggestions", p_priority="all"),
            rpc("list_suggestions", p_type="all"),
            rpc("list_suggestions", p_limit=0),
            rpc("list_suggestions", p_limit=101),
            rpc("list_suggestions", p_limit=None),
            rpc("list_suggestions", p_after_score=1),
        ],
        INVALID,
        given=PENDING + "alter table agent_suggestions drop constraint agent_suggestions_dismiss_reason_check",
        proves=(
            "guard agent.snooze_suggestion_v1: invalid_argument: p_until",
            "guard agent.dismiss_suggestion_v1: invalid_argument: p_reason",
            "fault public.list_suggestions: *",
        ),
    ),
    Attack(
        "suggest-other-client",
        "Somebody has a client evaluated and listed that is not theirs.",
        (COLLEAGUE, STRANGER),
        lambda s: [rpc("list_suggestions", p_client_id=s.acme), rpc("list_suggestions", p_client_id=s.owner)],
        NO_CLIENT,
        given=PENDING,
        proves=("guard public.list_suggestions: client_not_found",),
    ),
    Attack(
        "suggest-ai-off",
        "A client that AI is switched off for is evaluated by opening it.",
        (OWNER,),
        lambda s: [rpc("list_suggestions", p_client_id=s.acme)],
        refused("PT403", "ai_off"),
        given=PENDING + "insert into agent.ai_switches (scope, subject, reason) values ('client', %(acme)s, 'x')",
        proves=("code agent.begin_evaluation_v1: switch",),
    ),
    Attack(
        "suggest-admin",
        "Everybody but an admin reads and sets the rules.",
        (OWNER, COLLEAGUE, STRANGER),
        lambda s: [
            rpc("list_suggestion_rules"),
            rpc("set_suggestion_rule", p_rule_key="no_activity", p_is_on=False),
        ],
        NOT_AN_ADMIN,
        proves=("code agent.list_suggestion_rules_v1: admin", "code agent.set_suggestion_rule_v1: admin"),
    ),
    Attack(
        "suggest-rules",
        "An admin sets weights and thresholds that cannot be.",
        (ADMIN,),
        lambda s: [
            rpc("set_suggestion_rule", p_rule_key="no_activity", **{f"p_{name}": value})
            for name, value in (
                ("weight", -1),
                ("weight", 3),
                ("thresholds", []),
                ("thresholds", {"days": 0}),
                ("thresholds", {"days": "7"}),
                ("thresholds", {"hours": 7}),
                ("thresholds", {"days": 99999}),
            )
        ],
        INVALID,
        given="alter table agent.suggestion_rules drop constraint suggestion_rules_weight_check",
        proves=("fault agent.set_suggestion_rule_v1: *",),
    ),
    Attack(
        "suggest-rule-unknown",
        "An admin sets a rule that there is not.",
        (ADMIN,),
        lambda s: [rpc("set_suggestion_rule", p_rule_key="x", p_is_on=False)],
        refused("PT404", "rule_not_found"),
        proves=("guard agent.set_suggestion_rule_v1: rule_not_found",),
    ),
    Attack(
        "suggest-sweep-other-job",
        "An agent whose job is a draft sweeps.",
        AGENTS,
        lambda s: [rpc("complete_sweep_job"), evaluating("agent.begin_evaluation_v1(null)")],
        STALE,
        hook=False,
        given=PENDING,
        proves=("guard agent.begin_evaluation_v1: stale_fence",),
    ),
    Attack(
        "suggest-sweep-one",
        "A sweeping agent has one client of its choice evaluated.",
        (AGENT,),
        lambda s: [evaluating(f"agent.begin_evaluation_v1('{client}')") for client in (s.acme, s.apex)],
        STALE,
        hook=False,
        given=PENDING + OF_SWEEP,
        proves=("code agent.begin_evaluation_v1: one client",),
    ),
    Attack(
        "suggest-sweep-person",
        "A person completes a sweep.",
        (OWNER, ADMIN),
        lambda s: [rpc("complete_sweep_job")],
        refused("PT403", "not_an_agent"),
        given=PENDING,
    ),
    Attack(
        "suggest-sweep-finish",
        "An agent whose job is a draft, and a person, close a sweep.",
        (*AGENTS, OWNER),
        lambda s: [evaluating("agent.finish_sweep_v1('{}')")],
        STALE,
        hook=False,
        given=PENDING,
        proves=("guard agent.finish_sweep_v1: stale_fence",),
    ),
    Attack(
        "suggest-forge",
        "People and agents store suggestions without an evaluation.",
        (OWNER, AGENT),
        lambda s: [evaluating(STORE.format(acme=s.acme))],
        STALE,
        hook=False,
        given=PENDING + "insert into agent.sweeps (user_id) values (%(owner)s)",
        proves=("guard agent.store_evaluation_v1: stale_fence", "code agent.is_evaluating: transaction"),
    ),
    Attack(
        "suggest-sweep-read",
        "A sweeping agent reads clients, contexts and suggestions beside its evaluation.",
        (AGENT,),
        lambda s: [
            *(
                sql(f"select string_agg(t::text, ' ') from {table} as t")
                for table in (*CRM_TABLES, "agent_suggestions")
            ),
            sql("select string_agg(t::text, ' ') from crm.clients as t"),
        ],
        Nothing(),
        hook=False,
        given=PENDING + OF_SWEEP + "insert into agent.sweeps (user_id) values (%(owner)s);"
        "update agent.sweeps set evaluating_xid = pg_current_xact_id()",
        proves=("code agent.is_evaluating: transaction",),
    ),
    Attack(
        "suggest-sweep-context",
        "A sweeping agent asks for the context of a client of its user.",
        (AGENT,),
        lambda s: [rpc("get_client_context", p_client_id=client) for client in (s.acme, s.apex, s.bolt)],
        AGENT_REFUSED,
        given=PENDING + OF_SWEEP,
    ),
    *(
        hijack(who, tag, where, calls, given=given)
        for where in ("playground", "pg_temp")
        for who, tag, calls, given in (
            (
                OWNER,
                "suggested",
                lambda s: [
                    "select agent.is_evaluating()",
                    "select agent.suggestion_rules_v1()",
                    "select agent.stage_statistics_v1()",
                    f"select agent.refused_evidence_v1(array['{s.acme}']::uuid[])",
                    f"select agent.without_ai_v1(array['{s.acme}']::uuid[])",
                    f"select agent.is_evaluation_due_v1('{s.acme}')",
                    f"select agent.begin_evaluation_v1('{s.acme}')",
                    f"select {STORE.format(acme=s.acme)}",
                    f"select agent.begin_accept_v1('{ID}')",
                    f"select agent.finish_accept_v1('{ID}', '{{}}')",
                    f"select agent.begin_undo_v1('{ID}')",
                    f"select agent.snooze_suggestion_v1('{ID}', now() + interval '1 day')",
                    f"select agent.dismiss_suggestion_v1('{ID}', 'x')",
                    f"select agent.lock_suggestion_v1('{ID}')",
                    "update public.tasks set title = 'x'",
                    "update public.clients set name = 'x'",
                ],
                PENDING + "insert into agent.ai_switches (scope, subject, reason) values ('client', %(apex)s, 'x');",
            ),
            (
                ADMIN,
                "suggestion-rules",
                lambda s: [
                    "select agent.list_suggestion_rules_v1()",
                    "select agent.set_suggestion_rule_v1('no_activity', false, 1, '{\"days\": 8}')",
                    f"delete from public.clients where id = '{s.acme}'",
                ],
                ACCEPTED,
            ),
            (
                AGENT,
                "sweeping-agent",
                lambda s: ["select agent.begin_evaluation_v1(null)", "select agent.finish_sweep_v1('{}')"],
                PENDING + OF_SWEEP,
            ),
            (WORKER, "sweep-worker", lambda s: ["select agent.queue_sweeps_v1(array['sweep'])"], PENDING),
        )
    ),
]
