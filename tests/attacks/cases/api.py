"""What the API reads and sets: another's changes, more contexts than one may have, settings that are none."""

from __future__ import annotations

from tests.attacks.cases.answers import AGENT_REFUSED, INVALID, NO_CLIENT
from tests.attacks.cases.people import ADMIN, AGENTS, ANONYMOUS, COLLEAGUE, OWNER, STRANGER
from tests.attacks.model import Attack, Call, Harmless, refused, rpc

LONG_AGO = "2000-01-01T00:00:00Z"
NO_ADMIN = refused("PT403", "not_an_admin")


def put(**settings: object) -> Call:
    return rpc("set_ai_settings", p_settings=settings)


# Whatever a list tells of the owner's rows, it tells their state.
STATES_TO_FIND = (
    "alter table {0} drop constraint {0}_{1}_check; update {0} set {1} = 'hush-Acme' where {2} = %(owner)s; "
    "create policy {0}_select_all on {0} for select to authenticated using (true);"
)


ATTACKS = [
    Attack(
        "api-agent",
        "The agent follows its user's changes and changes settings, where nobody asks the hook.",
        (*AGENTS, OWNER.but(act=None)),
        lambda s: [rpc("list_changes", p_after=LONG_AGO), put(drafts_per_minute=100)],
        AGENT_REFUSED,
        hook=False,
        proves=("code public.list_changes: person",),
    ),
    Attack(
        "api-anonymous",
        "An anonymous sign-in follows changes and changes settings.",
        (ANONYMOUS,),
        lambda s: [rpc("list_changes", p_after=LONG_AGO), put(drafts_per_minute=100)],
        refused("PT403", "anonymous_user"),
    ),
    Attack(
        "api-changes-of-others",
        "A colleague, an admin and a stranger are told of changes where no policy hides another's drafts and requests.",
        (COLLEAGUE, ADMIN, STRANGER),
        lambda s: [rpc("list_changes", p_after=LONG_AGO)],
        Harmless(),
        given=STATES_TO_FIND.format("ai_drafts", "status", "created_by")
        + STATES_TO_FIND.format("ai_draft_requests", "state", "user_id"),
        proves=("code public.list_changes: whose drafts", "code public.list_changes: whose requests"),
    ),
    Attack(
        "api-context-of-others",
        "A stranger has a context of somebody else's client loaded, and says that they have it already.",
        (STRANGER,),
        lambda s: [
            rpc("load_client_context", p_client_id=s.acme),
            rpc("load_client_context", p_client_id=s.acme, p_shown="x", p_kept="x"),
        ],
        NO_CLIENT,
    ),
    Attack(
        "api-contexts",
        "A user loads more contexts than one may in a minute, and says that the API has them.",
        (OWNER,),
        lambda s: [
            rpc("load_client_context", p_client_id=s.acme),
            rpc("load_client_context", p_client_id=s.acme, p_kept="x"),
            rpc("load_client_context", p_client_id=s.acme, p_shown="x"),
        ],
        refused("PT429", "rate_limited"),
        given="update ai_settings set contexts_per_minute = 1; "
        "insert into agent.request_slots (user_id, kind, taken_at) values (%(owner)s, 'context', array[now()])",
        proves=("code public.load_client_context: limit",),
    ),
    Attack(
        "api-settings-of-others",
        "A person who is no admin changes the organisation's settings.",
        (OWNER, COLLEAGUE, STRANGER),
        lambda s: [put(drafts_per_minute=100)],
        NO_ADMIN,
        proves=("code agent.set_ai_settings_v1: admin",),
    ),
    Attack(
        "api-settings-none",
        "An admin sends what is no setting, or SQL for a name.",
        (ADMIN,),
        lambda s: [
            put(**{name: 1}) for name in ("id", "updated_at", "mine", "", "a = 1, b", '"; drop table x', "ctid")
        ],
        refused("PT400", "unknown_setting"),
        proves=("guard agent.set_ai_settings_v1: unknown_setting",),
    ),
    Attack(
        "api-settings-nothing",
        "An admin sends no object, or one without settings.",
        (ADMIN,),
        lambda s: [rpc("set_ai_settings", p_settings=value) for value in ({}, [], "x", None, 1)],
        INVALID,
    ),
    Attack(
        "api-settings-bounds",
        "An admin lifts a limit beyond what it may be.",
        (ADMIN,),
        lambda s: [
            put(drafts_per_minute=1001),
            put(drafts_per_minute=None),
            put(drafts_per_minute=20, contexts_per_minute=-1),
        ],
        INVALID,
        unharmed="select drafts_per_minute = 10 from ai_settings",
    ),
]
