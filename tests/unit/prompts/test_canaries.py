"""One client, one prompt: nothing of another client is in it, whatever order they are built in."""

import random
import re
from concurrent.futures import ThreadPoolExecutor

from agent_service.context import ClientContext
from agent_service.llm.protocol import DraftBrief
from agent_service.prompts.building import build_turn
from tests.turns import outside
from tests.unit.prompts.contexts import full_context

CLIENTS = 1000
INSTRUCTIONS = "Write an email to the contact named as recipient."
CANARY = re.compile(r"canary\d{4}")
# Each of these texts of a full context stands in some field; the salesperson's name is ours to say.
FIELDS = [
    "client", "company", "tag", "name", "email", "title", "subject", "content", "sentiment", "who", "deal", "product",
    "stage", "task", "description", "priority", "number", "ordered", "status", "key", "preference", "user", "hint",
    "example",
]  # fmt: skip


def canary_of(client):
    return f"canary{client:04d}"


def build(client):
    rows = random.Random(client).randrange(1, 9)
    context = full_context(lambda field: f"{canary_of(client)} {field}", rows=rows)
    brief = DraftBrief(
        draft_type="email",
        purpose="follow_up",
        language="en",
        context=ClientContext.model_validate(context),
        hints=f"{canary_of(client)} hint",
        deal_id="deal0",
    )
    return build_turn(brief, instructions=INSTRUCTIONS, examples=[f"{canary_of(client)} example"])


def test_a_thousand_prompts_hold_their_own_client_and_no_other():
    order = random.Random(0).sample(range(CLIENTS), CLIENTS)
    # In threads, so that whatever one build leaves lying about meets another.
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(build, order))
    foreign = 0
    for client, turn in zip(order, turns, strict=True):
        found = CANARY.findall(turn.text)
        foreign += sum(canary != canary_of(client) for canary in found)
        absent = [field for field in FIELDS if f"{canary_of(client)} {field}" not in turn.text]
        assert absent == []
        assert {label for fact in turn.records.values() for label in CANARY.findall(fact.label)} == {canary_of(client)}
    assert foreign == 0


def test_what_is_said_outside_of_the_data_names_nobody_but_the_salesperson():
    for client in range(50):
        turn = build(client)
        told = outside(turn)
        assert CANARY.findall(told) == [canary_of(client)]
        assert f'The salesperson who writes: "{canary_of(client)} user".' in told
        assert told.startswith(f"{INSTRUCTIONS}\n")


def test_a_foreign_canary_would_be_found():
    mixed = build(7).text + build(8).text
    assert {canary_of(7), canary_of(8)} == set(CANARY.findall(mixed))
