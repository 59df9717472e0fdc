"""Each control, taken away by itself: as the catalog has it, else cut out of a function's text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import psycopg

from tests.attacks.cuts import CUTS, POLICY_CUTS
from tests.attacks.scene import GUARDED

Owner = psycopg.Connection[Any]

# What the catalog holds and attacks are not stopped by.
NOT_CONTROLS = {
    "trigger public.deals.agent_record_first_stage": "keeps a deal's history",
    "trigger public.deals.agent_record_stage": "keeps a deal's history",
    "trigger agent.jobs.jobs_notify_insert": "wakes workers",
    **{
        f"trigger public.{table}.agent_note_{command}": "has clients evaluated"
        for table in ("activities", "deals", "tasks", "orders")
        for command in ("insert", "update", "delete")
    },
    "trigger public.clients.agent_note_insert": "has clients evaluated",
    "trigger public.clients.agent_note_update": "has clients evaluated",
    "guard agent.intelligence: client_not_found": "says why; a client that is not seen has no facts",
    "guard agent.intelligence: ai_off: client": "says why; there is nothing to be stored",
    "guard public.complete_sweep_job: not_an_agent": "says why; finish_sweep_v1 refuses who has no sweep",
    "trigger public.agent_suggestions.agent_suggestions_remember": "keeps what was dismissed away",
    "guard agent.promote_signing_key: There is no signing key %L, or it is retired.": "helps a DBA",
    "guard agent.add_standby_key: Vault has no secret named %L of at least 32 characters.": "helps a DBA",
    "guard agent.mint_worker_key: p_days is %s; a worker key lives 1 to 730 days.": "helps a DBA",
    "guard crm.set_deal_stage: deal_not_found": "says why; the policies of deals refuse",
    "trigger agent.jobs.jobs_end_send": "tells the person what became of a mail",
    "trigger public.ai_interactions.ai_interactions_alert": "tells admins",
    "trigger agent.jobs.jobs_alert": "tells admins",
    "trigger public.ai_draft_requests.ai_draft_requests_alert": "tells admins",
    "guard agent.reserve: price_unknown": "says what a DBA has to do; without a price the ledger's columns refuse null",
    "guard agent.acknowledge_alert_v1: alert_not_found": "says why; the update finds no row",
    "guard public.approve_draft: not_an_email": "says it more kindly; only a mail can be queued",
    "guard agent.lock_approved_mail: draft_not_found": "says why; the next line refuses what is not there as well",
    "guard agent.lock_send: not_an_agent": "says why; who has no job is refused by the next line",
    "guard agent.open_send_v1: recipient_missing": "says why; queue_send_v1 compares the recipient with the contact",
    "guard agent.queue_send_v1: access_lost": "says why; the contacts of a client that is not seen are not seen either",
    "guard agent.set_ai_settings_v1: invalid_argument: p_settings": "says why; without a name there is nothing to set",
    "function agent.check_request": "every role of the API runs it",
    "function agent.check_request_v1": "every role of the API runs it",
    "search_path agent.time_zone": "one column of one row: there is no name in it to take over",
    "search_path agent.draft_expiry_days": "the same",
    "search_path agent.draft_to_regenerate_v1": "the same: two functions, called by their schema",
    "search_path agent.list_ai_switches_v1": "the same: all rows, in the order of an index",
    "search_path agent.list_model_routes_v1": "the same",
    "search_path agent.list_legal_holds_v1": "the same",
    "search_path agent.list_suggestion_rules_v1": "the same",
    "search_path agent.stage_statistics_v1": "the same",
    "search_path agent.tg_ai_interactions__alert": "its table is written under the path of other functions alone",
    "search_path agent.tg_jobs__alert": "the same",
    "search_path agent.tg_jobs__end_send": "the same",
    "search_path agent.tg_ai_draft_requests__alert": "the same",
    "search_path agent.require_admin": "granted to nobody, and first compiled under the path of those that call it",
}
OUR_TABLES = f"""
select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
  and (n.nspname = 'agent' or n.nspname = 'public' and c.relname <> all ('{{{", ".join(("notes", *GUARDED))}}}'))
"""
OUR_FUNCTIONS = """
select n.nspname || '.' || p.proname || case when count(*) over (partition by pronamespace, proname) > 1
  then '(' || pg_get_function_identity_arguments(p.oid) || ')' else '' end,
  p.oid::regprocedure::text, p.prosecdef, p.prosrc
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('agent', 'crm') or n.nspname = 'public' and p.proname !~ '^(run_sql|careless)'
order by 1
"""
GUARD = re.compile(
    r"\b(?:els)?if\b(?P<when>(?:(?!\b(?:els)?if\b|\bthen\b|;).)*)\bthen\s+"
    r"raise exception(?P<said>(?:(?!;\n).)*);",
    re.DOTALL,
)
FAULTS = re.compile(r"v_faults := array_remove\(array\[(.*?)\], null\);", re.DOTALL)


@dataclass(frozen=True)
class Mutation:
    """One control by name, and how to remove it; `apply` None is the hook, which is not asked then."""

    control: str
    apply: Callable[[Owner], None] | None

    @property
    def kind(self) -> str:
        return self.control.split()[0]

    def is_proven_by(self, patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(self.control, pattern) for pattern in patterns)


def mutations(owner: Owner) -> list[Mutation]:
    """All of them, for the database as it is."""
    found = [Mutation(control, apply) for control, apply in derived(owner) if control not in NOT_CONTROLS]
    assert len({mutation.control for mutation in found}) == len(found), "two controls of one name"
    return [Mutation("hook", None), *found]


Derived = Iterator[tuple[str, Callable[[Owner], None]]]


def derived(owner: Owner) -> Derived:
    """What the catalog has, and what is cut out of conditions: names, and what takes them away."""
    for derive in (
        _policies,
        _triggers,
        _tables,
        _columns,
        _functions,
        _paths,
        _checks,
        _views,
        _schemas,
        _guards,
        _faults,
        _cuts,
    ):
        yield from derive(owner)


def run_sql(text: str, owner: Owner) -> None:
    owner.execute(text)  # type: ignore[call-overload]


def _ddl(text: str) -> Callable[[Owner], None]:
    return partial(run_sql, text)


def _policies(owner: Owner) -> Derived:
    """A restrictive policy is dropped, a permissive one made to let all through."""
    rows = owner.execute(
        "select schemaname, tablename, policyname, permissive = 'PERMISSIVE', cmd from pg_policies "
        f"where schemaname || '.' || tablename in ({OUR_TABLES}) or policyname like '%\\_agent'"
    )
    for schema, table, policy, permissive, command in rows.fetchall():
        clause = "with check" if command == "INSERT" else "using"
        change = f"alter policy {policy} on {schema}.{table} {clause} (true)"
        yield f"policy {schema}.{policy}", _ddl(change if permissive else f"drop policy {policy} on {schema}.{table}")


def _triggers(owner: Owner) -> Derived:
    rows = owner.execute(
        "select t.tgrelid::regclass::oid, n.nspname || '.' || c.relname, t.tgname from pg_trigger as t "
        "join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace "
        "join pg_proc as p on p.oid = t.tgfoid where not t.tgisinternal and p.pronamespace = 'agent'::regnamespace"
    )
    for _, table, trigger in rows.fetchall():
        yield f"trigger {table}.{trigger}", _ddl(f"drop trigger {trigger} on {table}")


def _tables(owner: Owner) -> Derived:
    """Row-level security, its force, and each verb that is granted to nobody or to users alone."""
    verbs = [
        verb for (verb,) in owner.execute("select lower(privilege_type) from aclexplode(acldefault('r', 0))").fetchall()
    ]
    for (table,) in owner.execute(OUR_TABLES).fetchall():  # type: ignore[call-overload]
        yield f"rls {table}", _ddl(f"alter table {table} disable row level security")
        yield f"force {table}", _ddl(f"alter table {table} no force row level security")
        for verb in sorted(set(verbs)):
            yield f"table {table} {verb}", _ddl(f"grant {verb} on {table} to public")
    rows = owner.execute(
        "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where c.relkind = 'S' and n.nspname in ('agent', 'crm', 'public')"
    )
    for (sequence,) in rows.fetchall():
        yield f"sequence {sequence}", _ddl(f"grant all on sequence {sequence} to public")


def _columns(owner: Owner) -> Derived:
    rows = owner.execute(
        "select attname from pg_attribute where attrelid = 'ai_drafts'::regclass and attnum > 0 and not attisdropped "
        "and attgenerated = '' and not has_column_privilege('authenticated', attrelid, attnum, 'insert')"
    )
    for (column,) in rows.fetchall():
        yield f"column public.ai_drafts.{column}", _ddl(f"grant insert ({column}) on ai_drafts to authenticated")


def _functions(owner: Owner) -> Derived:
    for name, signature, *_ in owner.execute(OUR_FUNCTIONS).fetchall():  # type: ignore[call-overload]
        yield f"function {name}", _ddl(f"grant execute on function {signature} to public")


def _paths(owner: Owner) -> Derived:
    """Of functions with their owner's rights; the rest run with the caller's, or under the path of one of these."""
    for name, signature, is_definer, _ in owner.execute(OUR_FUNCTIONS).fetchall():  # type: ignore[call-overload]
        if is_definer:
            yield f"search_path {name}", _ddl(f"alter function {signature} reset search_path")


def _checks(owner: Owner) -> Derived:
    rows = owner.execute(
        "select n.nspname || '.' || c.relname as name, conname, contype::text from pg_constraint as k "
        "join pg_class as c on c.oid = k.conrelid join pg_namespace as n on n.oid = c.relnamespace "
        f"where contype in ('c', 'u') and n.nspname || '.' || c.relname in ({OUR_TABLES})"
    )
    for table, constraint, kind in rows.fetchall():
        yield (
            f"{'check' if kind == 'c' else 'unique'} {constraint}",
            _ddl(f"alter table {table} drop constraint {constraint}"),
        )
    rows = owner.execute(
        "select i.indexrelid::regclass::text, c.relname from pg_index as i join pg_class as c on c.oid = i.indexrelid "
        "join pg_class as t on t.oid = i.indrelid join pg_namespace as n on n.oid = t.relnamespace "
        f"where i.indisunique and i.indpred is not null and n.nspname || '.' || t.relname in ({OUR_TABLES})"
    )
    for index, name in rows.fetchall():
        yield f"unique {name}", _ddl(f"drop index {index}")


def _views(owner: Owner) -> Derived:
    for (view,) in owner.execute("select viewname from pg_views where schemaname = 'crm'").fetchall():
        yield f"view crm.{view}", _ddl(f"alter view crm.{view} set (security_invoker = false)")


def _schemas(_: Owner) -> Derived:
    yield "schema crm usage", _ddl("grant usage on schema crm to public")
    for schema in ("agent", "crm"):
        yield f"schema {schema} create", _ddl(f"grant create on schema {schema} to public")


def _guards(owner: Owner) -> Derived:
    """Each `if … then raise exception` of ours, made to never raise."""
    for name, signature, _, source in owner.execute(OUR_FUNCTIONS).fetchall():  # type: ignore[call-overload]
        for guard in GUARD.finditer(source):
            if "v_faults" in guard["when"]:
                continue  # one by one, below
            code = re.search(r"detail = '([^']*?)(?:: )?'", guard["said"]) or re.search(
                r"message = (?:format\()?'([^']*)", guard["said"]
            )
            assert code, guard["said"]
            text = guard.group()
            yield f"guard {name}: {code[1]}", partial(cut, signature, text, text.replace(guard["when"], " false ", 1))


def _faults(owner: Owner) -> Derived:
    """Each line of a list of faults, left out of the list."""
    for name, signature, _, source in owner.execute(OUR_FUNCTIONS).fetchall():  # type: ignore[call-overload]
        for listed in FAULTS.finditer(source):
            lines = re.findall(r"(?:case )?when .*?(?=\n\s+when |,\n\s+case |\Z)", listed[1], re.DOTALL)
            for line, place in zip(lines, _numbered(lines), strict=True):
                yield (
                    f"fault {name}: {place}",
                    partial(cut, signature, line.rstrip(), line.rstrip().replace("when ", "when false and ", 1)),
                )


def _numbered(lines: list[str]) -> list[str]:
    """The argument that each line is about, with a number where there are several."""
    names = [m[0] if (m := re.search(r"p_\w+", line)) else "?" for line in lines]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        names[place] = f"{name} {seen[name]}" if seen[name] > 1 else name
    return names


def _cuts(_: Owner) -> Derived:
    for function, cuts in CUTS.items():
        for what, (old, new) in cuts.items():
            yield f"code {function}: {what}", partial(cut, function, old, new)
    for policy, parts in POLICY_CUTS.items():
        for what, (old, new) in parts.items():
            yield f"code policy {policy}: {what}", partial(_cut_policy, policy, old, new)


def cut(function: str, old: str, new: str, owner: Owner) -> None:
    """Replace a text that is exactly once in the function."""
    owner.execute("select testing.cut(%s, %s, %s)", [function, old, new])


def _cut_policy(policy: str, old: str, new: str, owner: Owner) -> None:
    table, using, check = owner.execute(  # type: ignore[misc]
        "select tablename, qual, with_check from pg_policies where policyname = %s and schemaname = 'public'", [policy]
    ).fetchone()
    text = using or check
    assert text.count(old) == 1, (policy, old, text)
    clause = "using" if using else "with check"
    run_sql(f"alter policy {policy} on public.{table} {clause} ({text.replace(old, new)})", owner)
