"""A draft is edited and approved at the same moment, again and again: is a text ever approved that was not shown?"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import psycopg

from agent_service.devstack.stack import Devstack
from tests.world import World, make_world

# One draft is written by an agent; its copies differ in their deal alone.
COPIES = """
insert into public.ai_drafts (
  client_id, draft_type, subject, content, created_by, purpose, deal_id, language, generated_subject,
  generated_content, provider, expires_at
)
select client_id, draft_type, subject, 'As shown.', created_by, purpose, gen_random_uuid(), language, subject,
  'As shown.', provider, expires_at
from public.ai_drafts, generate_series(1, %s) where id = %s
returning id, content_hash
"""
# Whoever approves names the text that was shown; the control takes their word for it.
UNCHECKED = """
do $$ begin
  execute replace(
    pg_get_functiondef('agent.approve_draft_v1'::regproc),
    'v_draft.content_hash is distinct from p_content_hash', 'false'
  );
end $$
"""


@dataclass(frozen=True)
class Size:
    """How large a drill is. pairs: so many drafts are raced for at a time. checked: False compares no hash."""

    races: int
    pairs: int = 4
    checked: bool = True


@dataclass
class Report:
    """What a drill found. unseen: drafts approved, or activities logged, with another text than was shown."""

    races: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    unseen: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @property
    def found(self) -> bool:
        """Whether it found what it must not."""
        return self.unseen > 0


def run(size: Size, *, seed: int = 1) -> Report:
    """Run one drill on a throw-away stack."""
    started = time.monotonic()
    with Devstack(None) as stack, psycopg.connect(stack.database_superuser_url, autocommit=True) as owner:
        world = make_world(owner)
        if not size.checked:
            owner.execute(UNCHECKED.encode())
        drafts = owner.execute(COPIES, [size.races, world.draft(p_draft_type="note")["id"]]).fetchall()
        answers: Counter[str] = Counter()
        with ThreadPoolExecutor(size.pairs) as pool:
            for counted in pool.map(
                lambda number: _race(stack.database_url, world, drafts[number :: size.pairs], seed + number),
                range(size.pairs),
            ):
                answers.update(counted)
        row = owner.execute(
            "select (select count(*) from public.ai_drafts where status = 'approved' and content <> 'As shown.') "
            "+ (select count(*) from public.activities where content <> 'As shown.')"
        ).fetchone()
    assert row is not None
    return Report(size.races, dict(sorted(answers.items())), row[0], round(time.monotonic() - started, 1))


def _race(url: str, world: World, drafts: list[Any], seed: int) -> Counter[str]:
    """Two people of one account, one connection each, at each draft together."""
    answers: Counter[str] = Counter()
    gate, chance = threading.Barrier(2, timeout=60), random.Random(seed)
    leads = [chance.uniform(-0.002, 0.002) for _ in drafts]  # seconds: now one is first, now the other

    def act(name: str, sign: int, arguments: dict[str, Any]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            person = replace(world, conn=connection).person("ada")
            for (draft_id, content_hash), lead in zip(drafts, leads, strict=True):
                gate.wait()
                time.sleep(max(0.0, sign * lead))
                more = arguments or {"p_content_hash": content_hash}
                try:
                    person.rpc(name, p_draft_id=draft_id, **more)
                except psycopg.Error as error:
                    answers[f"{name} {(error.diag.message_detail or str(error)).split(':')[0]}"] += 1
                else:
                    answers[f"{name} done"] += 1

    edit = {"p_version": 1, "p_subject": "Other", "p_content": "Never shown."}
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(act, "edit_draft", 1, edit), pool.submit(act, "approve_draft", -1, {})]
        for one in both:
            one.result()
    return answers
