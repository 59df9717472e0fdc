"""The attacks, by what they are after."""

from __future__ import annotations

from tests.attacks.cases import (
    accounts,
    approving,
    approving_texts,
    asking,
    books,
    calling,
    completing,
    drafting,
    flooding,
    handing_in,
    hijacking,
    injecting,
    keys,
    limits,
    money,
    objects,
    paid_work,
    paths,
    privacy,
    queueing,
    reading,
    reading_tables,
    roles,
    spending,
    workflow,
    working,
    writing,
    writing_alone,
)
from tests.attacks.model import Attack

__all__ = ["ATTACKS", "LIMITS"]

ATTACKS: list[Attack] = [
    *accounts.ATTACKS,
    *approving.ATTACKS,
    *approving_texts.ATTACKS,
    *asking.ATTACKS,
    *books.ATTACKS,
    *calling.ATTACKS,
    *completing.ATTACKS,
    *drafting.ATTACKS,
    *flooding.ATTACKS,
    *handing_in.ATTACKS,
    *hijacking.ATTACKS,
    *injecting.ATTACKS,
    *keys.ATTACKS,
    *money.ATTACKS,
    *objects.ATTACKS,
    *paid_work.ATTACKS,
    *paths.ATTACKS,
    *privacy.ATTACKS,
    *queueing.ATTACKS,
    *reading.ATTACKS,
    *reading_tables.ATTACKS,
    *roles.ATTACKS,
    *spending.ATTACKS,
    *workflow.ATTACKS,
    *working.ATTACKS,
    *writing.ATTACKS,
    *writing_alone.ATTACKS,
]
LIMITS = limits.LIMITS
