"""What holds of every turn, whatever the CRM holds."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_service.context import ClientContext
from agent_service.errors import ConfigurationError
from agent_service.llm.protocol import DraftBrief
from agent_service.prompts.building import build_turn, estimate_tokens
from tests.turns import read_turn
from tests.unit.prompts.contexts import BRIEFS, CHARACTERS, INSTRUCTIONS, full_context

BUDGETS = st.integers(1500, 4000) | st.integers(1500, 30_000)
EXAMPLES = st.lists(st.text(CHARACTERS, max_size=200), max_size=3)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
thorough = settings(max_examples=60, deadline=None, suppress_health_check=SLOW)


def build(brief, budget, examples=(), **options):
    return build_turn(brief, instructions=INSTRUCTIONS, token_budget=budget, examples=examples, **options)


def shown(turn):
    return {(fact.kind, fact.id) for fact in turn.records.values()}


def newest_inbound(context):
    days = [
        row.occurred_at
        for row in context.recent_activities
        if row.direction == "inbound" and row.status != "scheduled" and row.occurred_at
    ]
    return max(days, default=None)


@thorough
@given(BRIEFS, BUDGETS, EXAMPLES)
def test_never_above_the_budget_and_always_readable(brief, budget, examples):
    turn = build(brief, budget, examples)
    assert turn.tokens == estimate_tokens(turn.text) <= budget
    read_turn(turn)


@thorough
@given(BRIEFS, BUDGETS)
def test_what_the_draft_is_about_survives(brief, budget):
    context = brief.context
    turn = build(brief, budget)
    records = shown(turn)
    asked = {"contact": brief.contact_id, "deal": brief.deal_id, "task": brief.task_id}
    rows = {"contact": context.contacts, "deal": context.active_deals, "task": context.pending_tasks}
    for kind, identifier in asked.items():
        if any(row.id == identifier for row in rows[kind]):
            assert (kind, identifier) in records
        elif identifier:
            assert f"asked_{kind}" in turn.missing
    day = newest_inbound(context)
    if day:
        days = {row.id: row.occurred_at for row in context.recent_activities if row.direction == "inbound"}
        assert day in {days.get(identifier) for kind, identifier in records if kind == "activity"}


@thorough
@given(BRIEFS, BUDGETS, BUDGETS, EXAMPLES)
def test_a_larger_budget_drops_nothing(brief, one, other, examples):
    small, large = (build(brief, budget, examples) for budget in sorted([one, other]))
    assert shown(small) <= shown(large)
    assert small.records.items() <= large.records.items()
    names = ("contacts", "activities", "deals", "tasks", "orders", "preferences", "hints", "examples")
    assert all(small.cut.get(name, 0) >= large.cut.get(name, 0) for name in names)


@thorough
@given(BRIEFS, BUDGETS)
def test_the_same_but_for_the_mark(brief, budget):
    one, other = build(brief, budget), build(brief, budget)
    assert one.mark != other.mark
    assert one.text.replace(one.mark, "") == other.text.replace(other.mark, "")
    assert (one.cut, one.missing, one.records, one.tokens) == (other.cut, other.missing, other.records, other.tokens)


def test_a_token_more_never_costs_a_record():
    """Hints that take six bytes a character: what they gain must not be taken from the records."""
    context = ClientContext.model_validate(full_context(lambda field: field, rows=12))
    brief = DraftBrief(
        draft_type="email", purpose="custom", language="en", context=context, hints="<" * 2000, deal_id="deal3"
    )
    kept = [shown(build(brief, budget)) for budget in range(1500, 3000)]
    assert len(kept[0]) < len(kept[-1])
    assert all(less <= more for less, more in itertools.pairwise(kept))


@pytest.mark.parametrize("char", '<"\né中🙂')
def test_texts_made_to_take_all_the_room_take_it_from_themselves(char):
    context = full_context(lambda field: char * 3000, rows=20)
    context["omitted"] = dict.fromkeys(("activities", "contacts", "deals", "tasks", "orders"), 500)
    brief = DraftBrief(
        draft_type="email", purpose="custom", language="pt-BR", context=ClientContext.model_validate(context),
        hints=char * 2000, contact_id="contact5", deal_id="deal5", task_id="task9",
    )  # fmt: skip
    turn = build_turn(brief, instructions="x" * 1000, token_budget=1500, examples=[char * 3000])
    assert turn.tokens <= 1500
    assert {("contact", "contact5"), ("deal", "deal5"), ("task", "task9"), ("activity", "activity0")} <= shown(turn)


def test_instructions_that_leave_no_room_are_refused():
    context = ClientContext.model_validate(full_context(lambda field: field))
    brief = DraftBrief(draft_type="email", purpose="custom", language="en", context=context)
    with pytest.raises(ConfigurationError, match="leave no room"):
        build_turn(brief, instructions="x" * 4000, token_budget=1500)
