"""Runs one attack on a database of its own and judges it: the answer, what it shows, and the state before and after."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg

from tests.attacks.drivers import Driver, HttpDriver, SqlDriver
from tests.attacks.model import Attack, Request, Who
from tests.attacks.scene import Scene, build, markers
from tests.conftest import Database, clone

DRIVERS = {"sql": SqlDriver, "http": HttpDriver}

# What must be as it was besides tables: rights and code, in every schema that is not the session's own.
CATALOG = {
    "tables": "select oid::regclass::text, relowner::regrole, relacl, relrowsecurity, relforcerowsecurity, reloptions "
    "from pg_class where relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_(toast|temp)')",
    "columns": "select attrelid::regclass::text, attname, attacl from pg_attribute where attacl is not null",
    "functions": "select oid::regprocedure::text, proowner::regrole, proacl, prosrc, proconfig, prosecdef from pg_proc "
    "where pronamespace not in (select oid from pg_namespace where nspname ~ '^pg_')",
    "policies": "select polname, polrelid::regclass::text, polpermissive, pg_get_expr(polqual, polrelid), "
    "pg_get_expr(polwithcheck, polrelid) from pg_policy",
    "triggers": "select tgname, tgrelid::regclass::text, tgenabled from pg_trigger where not tgisinternal "
    "and tgrelid::regclass::text !~ '^pg_temp'",
    "schemas": "select nspname, nspowner::regrole, nspacl from pg_namespace where nspname !~ '^pg_(toast|temp)'",
    "roles": "select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolinherit from pg_roles",
    "memberships": "select roleid::regrole, member::regrole, admin_option from pg_auth_members",
    "role settings": "select setrole::regrole, setconfig from pg_db_role_setting "
    "where setdatabase in (0, (select oid from pg_database where datname = current_database()))",
    "default privileges": "select defaclrole::regrole, defaclobjtype, defaclacl from pg_default_acl",
    "large objects": "select oid from pg_largeobject_metadata",
    "advisory locks": "select classid, objid from pg_locks where locktype = 'advisory' "
    "and database = (select oid from pg_database where datname = current_database())",
}
STATE_TABLES = (
    "select format('%I.%I', n.nspname, c.relname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
    "where n.nspname in ('agent', 'public', 'auth', 'vault') and c.relkind = 'r' order by 1"
)

# Where it is as it was, nobody has written anything: a write takes a transaction id, and a session's lock shows.
WRITTEN = "select pg_snapshot_xmax(pg_current_snapshot()), (select count(*) from pg_locks where locktype = 'advisory')"
# Kinds of faults that say an attack had success. "refused otherwise" may be another layer that held.
RED = ("succeeded", "silent", "changed", "shown", "harmed")
Mutate = Callable[[psycopg.Connection[Any]], None]


@dataclass(frozen=True)
class Fault:
    """Why a case is red. `kind`: succeeded, silent, changed, shown, harmed, or refused otherwise."""

    kind: str
    who: str
    request: str
    said: str


@dataclass
class Outcome:
    """One case on one driver."""

    attack: Attack
    driver: str
    tries: int = 0
    faults: list[Fault] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Template:
    """The database of the scene, to be cloned."""

    database: Database
    scene: Scene


@contextmanager
def built(migrated: Database) -> Iterator[Template]:
    """Build the scene in a clone of a migrated database."""
    with clone(migrated) as database:
        with database.connect() as owner:
            scene = build(owner)
        yield Template(database, scene)


class Lane:
    """Runs cases one after another on clones that all have the same control removed, or none.

    Cases that need nothing special share a clone for as long as it stays as it was.
    """

    def __init__(
        self, template: Template, driver: str = "sql", mutate: Mutate | None = None, *, hook: bool = True
    ) -> None:
        self._template, self._driver, self._mutate, self._hook = template, driver, mutate, hook
        self._shared: dict[bool, tuple[contextlib.ExitStack, _Stage]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stack, _ in self._shared.values():
            stack.close()
        while HttpDriver.stopping:
            HttpDriver.stopping.pop().join()

    def run(self, attack: Attack) -> Outcome:
        """Run one case; its outcome has no faults if all came back as it must and nothing else changed."""
        with self._stage_of(attack) as stage:
            outcome = _run(stage, attack)
            stage.is_spoiled = bool(outcome.faults)
            return outcome

    def first_success(self, attack: Attack) -> str | None:
        """Run one case until it has success, and say how; what it changed is looked at only if the answers hide it."""
        with self._stage_of(attack) as stage:
            stage.is_spoiled = True
            for fault in _answers(stage, attack, Outcome(attack, self._driver), watched=False):
                if fault.kind in RED:
                    return fault.kind
        return next((fault.kind for fault in self.run(attack).faults if fault.kind in RED), None)

    @contextmanager
    def _stage_of(self, attack: Attack) -> Iterator[_Stage]:
        hook = attack.hook and self._hook
        if attack.is_alone:
            with self.staged(attack.given, hook=hook) as stage:
                yield stage
            return
        if hook not in self._shared:
            stack = contextlib.ExitStack()
            self._shared[hook] = stack, stack.enter_context(self.staged("", hook=hook))
        stack, stage = self._shared[hook]
        yield stage
        if stage.is_spoiled:
            stack.close()
            del self._shared[hook]

    @contextmanager
    def staged(self, given: str = "", *, hook: bool = True) -> Iterator[_Stage]:
        """A clone with what an attack takes as given, and a way to send requests to it."""
        with clone(self._template.database) as database, database.connect() as owner:
            if self._mutate:
                self._mutate(owner)
            if given:
                with psycopg.ClientCursor(owner) as cursor:  # which takes several statements with parameters
                    cursor.execute(given, self._template.scene.values)  # type: ignore[arg-type]
            with DRIVERS[self._driver](database, self._template.scene, hook=hook) as driver:
                yield _Stage(owner, self._template.scene, driver)


@dataclass
class _Stage:
    owner: psycopg.Connection[Any]
    scene: Scene
    driver: Driver
    _state: dict[str, Any] = field(default_factory=dict)
    _written: Any = None
    is_spoiled: bool = False

    def state(self) -> dict[str, Any]:
        """One hash for each table of ours and of the CRM's, and for each kind of right."""
        written = self.owner.execute(WRITTEN).fetchone()
        if written == self._written:
            return self._state
        self._written = written
        tables = [name for (name,) in self.owner.execute(STATE_TABLES).fetchall()]  # type: ignore[call-overload]
        parts = {name: f"select * from {name}" for name in tables} | CATALOG
        hashes = ", ".join(
            f"(select md5(coalesce(string_agg(t::text, chr(10) order by t::text), '')) from ({query}) as t)"
            for query in parts.values()
        )
        row = self.owner.execute(f"select {hashes}").fetchone()  # type: ignore[call-overload]
        self._state = dict(zip(parts, row, strict=True))
        return self._state


def _run(stage: _Stage, attack: Attack) -> Outcome:
    outcome = Outcome(attack, stage.driver.name)
    outcome.faults += _answers(stage, attack, outcome, watched=True)
    before, after = outcome.before, stage.state()
    changed = {name for name in before | after if before.get(name) != after.get(name)} - attack.changes
    if changed:
        outcome.faults.append(Fault("changed", "", "", ", ".join(sorted(changed))))
    return outcome


def _answers(stage: _Stage, attack: Attack, outcome: Outcome, *, watched: bool) -> Iterator[Fault]:
    """Send it all, and judge what comes back, what it shows, and whether it has done harm."""
    with stage.driver.session():
        for who, request in attack.before(stage.scene) if attack.before else ():
            reply = stage.driver.send(who, request)
            if reply.error:
                yield Fault("did not begin", str(who), str(request), str(reply))
                return
        outcome.before = stage.state() if watched else {}
        for one in attack.tries(stage.scene):
            for who, request in [one] if isinstance(one, tuple) else [(who, one) for who in attack.by]:
                outcome.tries += 1
                yield from _judge(stage, attack, who, request)
    if attack.unharmed:
        yield from _harm(stage, attack)


def _judge(stage: _Stage, attack: Attack, who: Who, request: Request) -> Iterator[Fault]:
    held = attack.held(stage.scene) if attack.held else None
    reply = stage.driver.send(who, request, held)
    expected = attack.over_http if attack.over_http and stage.driver.name == "http" else attack.expect
    said = expected.fault(reply, stage.scene)
    if said:
        yield Fault(said, str(who), str(request), str(reply))
    shown = repr((reply.value, reply.error))
    for marker in markers(stage.scene):
        if marker.text in shown and who.name not in marker.seen_by:
            yield Fault("shown", str(who), str(request), marker.text)


def _harm(stage: _Stage, attack: Attack) -> Iterator[Fault]:
    with psycopg.ClientCursor(stage.owner) as cursor:
        row = cursor.execute(attack.unharmed, stage.scene.values).fetchone()  # type: ignore[arg-type]
    if row is None or row[0] is not True:
        yield Fault("harmed", "", "", attack.unharmed)
