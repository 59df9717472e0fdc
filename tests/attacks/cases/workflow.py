"""Editing, asking again, calling off, deleting: what is not one's own, is closed, or was changed meanwhile."""

from __future__ import annotations

from tests.attacks.cases.answers import AGENT_REFUSED, DENIED, INVALID, NO_CLIENT, NO_DRAFT
from tests.attacks.cases.approving import CLOSED, approve, closed_in
from tests.attacks.cases.asking import NO_CHECKS_ON_REQUESTS
from tests.attacks.cases.books import verbs, written
from tests.attacks.cases.completing import complete
from tests.attacks.cases.people import (
    ADMIN,
    AGENT,
    AGENTS,
    ANONYMOUS,
    COLLEAGUE,
    EVERYBODY,
    OWNER,
    SERVICE_ROLE,
    STRANGER,
)
from tests.attacks.model import Attack, Call, Harmless, Nothing, refused, rpc, sql
from tests.attacks.scene import Scene

SESSION_ENDED = refused("PT401", "session_ended")
NO_REQUEST = refused("PT404", "request_not_found")
HANDED_IN = frozenset(
    {"public.ai_drafts", "public.ai_draft_requests", "public.ai_interactions", "agent.jobs", "agent.audit_log"}
)
# The request that the agent works on was to take the place of this draft.
REGENERATES = "update ai_draft_requests set regenerates_id = {}, regenerates_version = 1 where id = %(agent_request)s;"
REVISION = (
    "insert into ai_draft_revisions (draft_id, version, content, details, edited_by) "
    "values (%(draft)s, 2, 'hush-Acme', '{}', %(owner)s);"
)


def edit(s: Scene, draft: object, version: int = 1) -> Call:
    return rpc("edit_draft", p_draft_id=draft, p_version=version, p_subject="Mine", p_content="My words.")


def delete(*drafts: object) -> Call:
    return sql(f"select public.delete_drafts('{{{', '.join(map(str, drafts))}}}')")


def many(draft: object, shown: object) -> Call:
    return rpc("approve_drafts", p_drafts=[{"id": str(draft), "content_hash": str(shown)}])


def of_a_person(s: Scene) -> list[Call]:
    """Everything that takes a person, on the owner's draft."""
    return [
        edit(s, s.draft),
        rpc("regenerate_draft", p_draft_id=s.draft),
        many(s.draft, s.draft_hash),
        delete(s.draft),
        rpc("get_draft", p_draft_id=s.draft),
        rpc("list_drafts"),
        rpc("cancel_request", p_request_id=s.queued_request),
    ]


ATTACKS = [
    Attack(
        "workflow-agent",
        "The agent edits, asks again, approves many, deletes, lists, calls off, where nobody asks the hook.",
        (*AGENTS, OWNER.but(act=None)),
        lambda s: [
            *of_a_person(s),
            sql(f"select agent.edit_draft_v1('{s.draft}', 1, 'x', 'x', null)"),
            sql(f"select agent.unfinished_v1('{s.draft}')"),
            sql(f"select agent.draft_to_regenerate_v1('{s.draft}')"),
            sql(f"select agent.cancel_request_v1('{s.queued_request}')"),
        ],
        AGENT_REFUSED,
        hook=False,
        proves=(
            "code public.approve_drafts: person",
            "code public.list_drafts: person",
            "code agent.cancel_request_v1: person",
        ),
    ),
    Attack(
        "workflow-anonymous",
        "An anonymous sign-in does.",
        (ANONYMOUS,),
        of_a_person,
        refused("PT403", "anonymous_user"),
    ),
    Attack(
        "workflow-others",
        "A colleague, an admin and a stranger edit, regenerate and read somebody else's draft.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [*of_a_person(s)[:2], rpc("get_draft", p_draft_id=s.draft)],
        NO_DRAFT,
        proves=("guard public.get_draft: draft_not_found",),
    ),
    Attack(
        "workflow-others-delete",
        "A colleague and an admin delete somebody else's draft, and approve it among many.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [delete(s.draft, s.mail), many(s.draft, s.draft_hash)],
        Harmless(),
        proves=("code agent.delete_drafts_v1: whose",),
    ),
    Attack(
        "workflow-others-cancel",
        "A colleague, an admin and a stranger call off what somebody else has asked for.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [rpc("cancel_request", p_request_id=s.queued_request)],
        NO_REQUEST,
        proves=("guard agent.cancel_request_v1: request_not_found", "code agent.cancel_request_v1: whose"),
    ),
    Attack(
        "workflow-others-unfinished",
        "A colleague and an admin ask what keeps somebody else's draft from being approved.",
        (COLLEAGUE, ADMIN),
        lambda s: [sql(f"select agent.unfinished_v1('{s.draft}')")],
        Nothing(),
        given="update ai_drafts set content = '[hush-Acme]' where id = %(draft)s",
        proves=("code agent.unfinished_v1: whose",),
    ),
    Attack(
        "workflow-signed-out",
        "A person who has signed out edits, approves and deletes with a token that has not run out.",
        (OWNER,),
        lambda s: [edit(s, s.draft), many(s.draft, s.draft_hash), delete(s.draft)],
        SESSION_ENDED,
        given="delete from auth.sessions where user_id = %(owner)s",
        proves=("code agent.edit_draft_v1: live session", "code agent.delete_drafts_v1: live session"),
    ),
    Attack(
        "workflow-edit-older",
        "An edit that was made from an older text.",
        (OWNER,),
        lambda s: [edit(s, s.draft, version) for version in (0, 1, 3)],
        refused("PT409", "draft_changed"),
        given="update ai_drafts set version = 2, status = 'edited' where id = %(draft)s",
        proves=("guard agent.edit_draft_v1: draft_changed",),
    ),
    Attack(
        "workflow-edit-markup",
        "An edit brings in what a reader would follow, load or not see.",
        (OWNER,),
        lambda s: [
            rpc("edit_draft", p_draft_id=s.draft, p_version=1, p_subject="x", p_content=text)
            for text in ("[x](https://evil.example)", "![](http://x.example)", "<img src=x>", "javascript:x", " \u200b")
        ],
        INVALID,
        proves=("code agent.draft_faults: markup",),
    ),
    *[
        Attack(
            f"workflow-closed-{state}",
            f"A draft that is {state} is edited or written anew.",
            (OWNER,),
            lambda s: of_a_person(s)[:2],
            CLOSED,
            given=closed_in(state),
        )
        for state in ("approved", "rejected", "superseded")
    ],
    Attack(
        "workflow-delete-record",
        "A draft that was approved is deleted.",
        (OWNER,),
        lambda s: [delete(s.draft)],
        Harmless(),
        given=closed_in("approved"),
        proves=("code agent.delete_drafts_v1: on record",),
    ),
    Attack(
        "workflow-approve-stale",
        "A draft that is out of date is approved without a yes, alone and among others.",
        (OWNER,),
        lambda s: [approve(s.mail, s.mail_hash), approve(s.mail, s.mail_hash, p_accept_stale=None)],
        refused("PT409", "draft_stale"),
        given='update ai_drafts set context_snapshot = \'{"activeDeals": [{"id": "x", "title": "Gone"}]}\' '
        "where id = %(mail)s",
        proves=("guard public.approve_draft: draft_stale",),
    ),
    Attack(
        "workflow-note-later",
        "What an approval wrote into the CRM is said anew, later and in the same breath.",
        (OWNER,),
        lambda s: [
            sql(f"select agent.note_written_v1('{s.draft}', '[]')"),
            sql(
                f"with a as materialized (select * from public.approve_draft('{s.mail}', '{s.mail_hash}')) "
                "select agent.note_written_v1(a.id, '[]') from a"
            ),
        ],
        refused("PT409", "not_approved"),
        given=closed_in("approved").replace("now()", "now() - interval '1 day'"),
        proves=(
            "guard agent.note_written_v1: not_approved",
            "code agent.note_written_v1: transaction",
            "code agent.note_written_v1: once",
        ),
    ),
    Attack(
        "workflow-regenerate-edited",
        "The agent hands in the new text of a draft that its person has edited since.",
        (AGENT,),
        lambda s: [complete()],
        refused("PT409", "draft_edited"),
        given=REGENERATES.format("%(draft)s")
        + "update ai_drafts set version = 2, status = 'edited' where id = %(draft)s",
        proves=("guard agent.tg_ai_drafts__supersede: draft_edited", "trigger public.ai_drafts.ai_drafts_supersede"),
    ),
    *[
        Attack(
            f"workflow-regenerate-{what}",
            f"The agent's request names {of} as the draft to take the place of.",
            (AGENT,),
            lambda s: [complete()],
            Harmless(),
            given=REGENERATES.format(f"%({draft})s") + change,
            changes=HANDED_IN,
            unharmed=f"select status = 'pending' from ai_drafts where id = %({draft})s",
            proves=(f"code agent.tg_ai_drafts__supersede: {what}",),
        )
        for what, of, draft, change in (
            (
                "whose",
                "somebody else's",
                "bobs_draft",
                "update ai_drafts set client_id = %(acme)s where id = %(bobs_draft)s",
            ),
            ("client", "another client's", "done_draft", ""),
        )
    ],
    Attack(
        "workflow-regenerate-access-lost",
        "A person asks anew for a draft of a client that was taken from them.",
        (OWNER,),
        lambda s: [rpc("regenerate_draft", p_draft_id=s.draft)],
        NO_CLIENT,
        given="update clients set owner_id = %(colleague)s where id = %(acme)s",
        proves=("guard public.regenerate_draft: client_not_found",),
    ),
    Attack(
        "workflow-regenerate-arguments",
        "A draft is asked for anew with what a request may not hold.",
        (OWNER,),
        lambda s: [
            rpc("regenerate_draft", p_draft_id=s.draft, p_hints="x" * 2049),
            rpc("regenerate_draft", p_draft_id=s.draft, p_language="<b>"),
            rpc("regenerate_draft", p_draft_id=s.draft, p_interactive=None),
        ],
        INVALID,
        given=NO_CHECKS_ON_REQUESTS,
        proves=("fault public.regenerate_draft: *",),
    ),
    Attack(
        "workflow-arguments",
        "Lists and many at once are asked for with what is none.",
        (OWNER,),
        lambda s: [
            *(rpc("list_drafts", p_status=status) for status in ("", "all", "pending' or true --")),
            *(rpc("list_drafts", p_limit=limit) for limit in (0, -1, 101, None)),
            *(
                rpc("list_drafts", p_before=before)
                for before in ({}, [], {"created_at": "2026-01-01T00:00:00Z", "id": "1"}, {"id": str(s.draft)})
            ),
            *(rpc("approve_drafts", p_drafts=drafts) for drafts in ([], {}, [{"id": str(s.draft)}], [{}] * 101)),
            sql("select public.delete_drafts('{}')"),
            sql("select public.delete_drafts(null)"),
            sql("select public.delete_drafts(array(select gen_random_uuid() from generate_series(1, 101)))"),
        ],
        INVALID,
        proves=(
            "fault public.list_drafts: *",
            "guard public.approve_drafts: invalid_argument: p_drafts",
            "guard agent.delete_drafts_v1: invalid_argument: p_draft_ids",
        ),
    ),
    Attack(
        "workflow-revisions-read",
        "The edits of somebody else's draft are read.",
        (COLLEAGUE, ADMIN, STRANGER, *AGENTS),
        lambda s: [sql("select string_agg(r::text, ' ') from ai_draft_revisions as r")],
        Nothing(),
        hook=False,
        given=REVISION + "drop policy ai_drafts_select_owner on ai_drafts; "
        "create policy ai_drafts_select_all on ai_drafts for select to authenticated using (true)",
        proves=(
            "policy public.ai_draft_revisions_select_owner",
            "rls public.ai_draft_revisions",
            "code policy ai_draft_revisions_select_owner: agent",
        ),
    ),
    Attack(
        "workflow-revisions-none",
        "The edits are read by who has no sight of our tables.",
        (SERVICE_ROLE,),
        lambda s: [sql("select string_agg(r::text, ' ') from ai_draft_revisions as r")],
        DENIED,
        hook=False,
        given=REVISION,
        proves=("table public.ai_draft_revisions select",),
    ),
    Attack(
        "workflow-revisions-written",
        "Edits are forged, changed, removed: by everybody, where no policy and no key is in the way.",
        EVERYBODY,
        lambda s: [
            *verbs(
                "ai_draft_revisions",
                {"draft_id": s.draft, "version": 3, "content": "x", "details": {}, "edited_by": s.owner},
            ),
            sql("truncate ai_draft_revisions"),
        ],
        DENIED,
        hook=False,
        given=REVISION + "alter table ai_draft_revisions disable row level security",
        proves=written("public.ai_draft_revisions"),
    ),
]
