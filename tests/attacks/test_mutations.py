"""Each control, taken away by itself, turns the suite red: an attack has success, changes something, or is silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.attacks.cases import ATTACKS
from tests.attacks.mutations import NOT_CONTROLS, Mutation, cut, derived
from tests.attacks.mutations import mutations as mutations_of
from tests.attacks.running import Template, built
from tests.attacks.suite import all_mutations, kill

KINDS = (
    "check", "code", "column", "fault", "force", "function", "guard", "hook", "policy", "rls", "schema", "search_path",
    "sequence", "table", "trigger", "unique", "view",
)  # fmt: skip


@pytest.fixture(scope="module")
def template(template_db: Any) -> Iterator[Template]:
    with built(template_db) as made:
        yield made


@pytest.fixture(scope="module")
def mutations(template: Template) -> list[Mutation]:
    return all_mutations(template)


@pytest.mark.drill
@pytest.mark.parametrize("kind", KINDS)
def test_without_this_control_the_suite_is_red(template: Template, mutations: list[Mutation], kind: str) -> None:
    kills = [kill(template, mutation) for mutation in mutations if mutation.kind == kind]
    assert kills
    assert [killed.control for killed in kills if killed.attack is None] == []


def test_every_control_has_a_mutation_and_an_attack_that_names_it(mutations: list[Mutation]) -> None:
    """One that a migration adds stands here until an attack proves it."""
    assert {mutation.kind for mutation in mutations} == set(KINDS)
    unproven = [m.control for m in mutations if not any(m.is_proven_by(attack.proves) for attack in ATTACKS)]
    assert unproven == []


PLANTED = """
create table public.ai_plans (id uuid primary key, state text constraint ai_plans_state_check check (state <> ''));
create policy ai_plans_select_all on public.ai_plans for select to authenticated using (true);
create function agent.plan() returns void language plpgsql as $$
begin
  if true then
    raise exception using errcode = 'PT403', message = 'No.', detail = 'no_plan';
  end if;
end
$$;
"""


def test_a_control_that_is_added_is_missed(template: Template) -> None:
    with template.database.connect() as owner, owner.transaction(force_rollback=True):
        owner.execute(PLANTED)
        unproven = {m.control for m in mutations_of(owner) if not any(m.is_proven_by(a.proves) for a in ATTACKS)}
    assert unproven == {
        "check ai_plans_state_check", "guard agent.plan: no_plan", "policy public.ai_plans_select_all",
        "rls public.ai_plans",
        "table public.ai_plans delete", "table public.ai_plans truncate", "table public.ai_plans update",
    }  # fmt: skip


def test_no_attack_names_a_control_that_is_not_there(mutations: list[Mutation]) -> None:
    patterns = {pattern for attack in ATTACKS for pattern in attack.proves}
    assert [p for p in sorted(patterns) if not any(m.is_proven_by((p,)) for m in mutations)] == []


def test_what_is_no_control_is_there_and_has_a_reason(template: Template) -> None:
    with template.database.connect() as owner:
        assert set(NOT_CONTROLS) <= {control for control, _ in derived(owner)}
    assert all(NOT_CONTROLS.values())


def test_a_mutation_that_would_change_nothing_is_refused(template: Template) -> None:
    with template.database.connect() as owner, owner.transaction(force_rollback=True):
        for text in ("a text that is not there", "raise exception"):  # the latter is there three times
            with pytest.raises(psycopg.errors.RaiseException, match="is not there exactly once"), owner.transaction():
                cut("agent.begin_complete_v1", text, "", owner)
