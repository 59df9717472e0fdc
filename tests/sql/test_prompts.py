"""What a model is told: one prompt for each kind of work, versions that never change, and a job that names its own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from agent_service.llm.protocol import DraftOutput, TaskDetails

TYPES, PURPOSES = (
    ("email", "note", "task", "memo"),
    ("follow_up", "check_in", "deal_update", "task_reminder", "custom"),
)


def test_every_type_and_purpose_has_a_prompt(db: Any) -> None:
    keys = {key for (key,) in db.execute("select key from public.ai_prompts where current_version_id is not null")}
    assert keys == {f"draft.{t}.{p}" for t, p in itertools.product(TYPES, PURPOSES)} | {"suggestions.analysis"}


def test_a_claimed_job_brings_what_its_model_is_told(any_world: Any) -> None:
    world = any_world
    world.request(p_draft_type="task", p_purpose="check_in")
    (job,) = world.claim()
    version = world.one("select * from public.ai_prompt_versions where id = %s", job["prompt_version_id"])
    assert world.value("select key from public.ai_prompts where id = %s", version["prompt_id"]) == "draft.task.check_in"
    assert job["payload"]["prompt"] == {key: version[key] for key in ("system", "instructions", "output_schema")}
    assert job["limits"]["max_output_tokens"] == version["max_output_tokens"] == 768
    world.complete(job)
    assert world.value("select prompt_version_id from public.ai_interactions") == version["id"]


def test_a_new_version_is_told_from_the_next_claim_on(world: Any) -> None:
    world.conn.execute(
        "insert into public.ai_prompt_versions (prompt_id, version, system, instructions, output_schema) "
        "select id, 2, 'Be brief.', 'Two sentences.', '{}' from public.ai_prompts where key = 'draft.email.follow_up'"
    )
    world.request()
    assert world.claim()[0]["payload"]["prompt"]["system"] != "Be brief."
    world.conn.execute(
        "update public.ai_prompts as p set current_version_id = v.id from public.ai_prompt_versions as v "
        "where v.prompt_id = p.id and v.version = 2"
    )
    world.request("bob", "Bolt")
    assert world.claim()[0]["payload"]["prompt"]["system"] == "Be brief."


@pytest.mark.parametrize(
    "change",
    ["update public.ai_prompt_versions set note = 'x'", "delete from public.ai_prompt_versions",
     "truncate public.ai_prompt_versions cascade", "delete from public.ai_prompts"],
)  # fmt: skip
def test_a_version_is_never_changed_not_even_by_the_owner(world: Any, refused: Any, change: str) -> None:
    with refused("PT409", "prompt_immutable"):
        world.conn.execute(change)


def test_prompts_hold_nothing_of_a_client_and_no_placeholder_to_fill(db: Any) -> None:
    rows = db.execute("select system || instructions from public.ai_prompt_versions").fetchall()
    assert len(rows) == 21
    for (text,) in rows:
        assert "{" not in text
        assert "http" not in text


def test_the_schemas_of_drafts_are_what_the_code_reads(world: Any) -> None:
    """A version's schema is data, so that an attempt names what its model was held to; the two must not drift apart."""
    schemas = world.conn.execute(
        "select v.output_schema from public.ai_prompts as p join public.ai_prompt_versions as v"
        " on v.id = p.current_version_id where p.key like 'draft.%'"
    ).fetchall()
    assert len(schemas) == 20
    for (schema,) in schemas:
        assert set(schema["properties"]) == set(DraftOutput.model_fields)
        assert set(schema["required"]) == {
            name for name, field in DraftOutput.model_fields.items() if field.is_required()
        }
        assert set(schema["properties"]["details"]["properties"]) == set(TaskDetails.model_fields)
