"""The whole suite: every attack on a driver, and every mutation against the attacks that prove its control."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.attacks.cases import ATTACKS
from tests.attacks.model import Attack
from tests.attacks.mutations import Mutation, mutations
from tests.attacks.running import Lane, Outcome, Template, built
from tests.conftest import make_template, started


@dataclass(frozen=True)
class Kill:
    """What became of the suite without one control; `attack` and `kind` say which case saw it first, and how."""

    control: str
    tried: int
    attack: str | None = None
    kind: str = "survived"


@dataclass
class AttackReport:
    """Figures of the attacks; `red` names those that had success, were silent or were refused otherwise."""

    cases: int = 0
    tries: dict[str, int] = field(default_factory=dict)
    red: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def found(self) -> bool:
        return bool(self.red)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass
class MutationReport:
    """Figures of the mutations; `survived` names the controls that nothing missed."""

    mutations: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    survived: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def found(self) -> bool:
        return self.mutations > 0 and not self.survived

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@contextmanager
def on_a_server(bin_dir: Path | None = None) -> Iterator[Template]:
    """The scene on a throw-away server of its own."""
    with started(bin_dir) as server, built(make_template(server)) as template:
        yield template


def outcomes(template: Template, driver: str, attacks: Iterable[Attack] = ATTACKS) -> Iterator[Outcome]:
    """Run all that this driver can send."""
    with Lane(template, driver) as lane:
        for attack in attacks:
            if attack.runs_on(driver):
                yield lane.run(attack)


def all_mutations(template: Template) -> list[Mutation]:
    """Read them from the catalog of the scene."""
    with template.database.connect() as owner:
        return mutations(owner)


def kill(template: Template, mutation: Mutation) -> Kill:
    """Run what proves the control, on Postgres itself, until one has success."""
    proofs = [attack for attack in ATTACKS if mutation.is_proven_by(attack.proves) and attack.runs_on("sql")]
    # Those that speak of it first: most of the others would be tried in vain.
    name = mutation.control.partition(" ")[2].partition(":")[0].rpartition(".")[2].partition(" ")[0]
    proofs.sort(key=lambda attack: name not in repr(list(attack.tries(template.scene))))
    with Lane(template, mutate=mutation.apply, hook=mutation.apply is not None) as lane:
        for tried, attack in enumerate(proofs, 1):
            if kind := lane.first_success(attack):
                return Kill(mutation.control, tried, attack.id, kind)
    return Kill(mutation.control, len(proofs))


def attack_all() -> AttackReport:
    """Every attack, on Postgres and over HTTP."""
    begun, report = time.monotonic(), AttackReport(cases=len(ATTACKS))
    with on_a_server() as template:
        for driver in ("sql", "http"):
            for outcome in outcomes(template, driver):
                report.tries[driver] = report.tries.get(driver, 0) + outcome.tries
                report.red += [f"{outcome.attack.id} ({driver}): {fault.kind}" for fault in outcome.faults[:1]]
    report.seconds = round(time.monotonic() - begun, 1)
    return report


def mutate_all() -> MutationReport:
    """Every control taken away, one at a time."""
    begun, report = time.monotonic(), MutationReport()
    with on_a_server() as template:
        for mutation in all_mutations(template):
            killed = kill(template, mutation)
            report.mutations += 1
            report.killed[killed.kind] = report.killed.get(killed.kind, 0) + (killed.attack is not None)
            report.survived += [] if killed.attack else [killed.control]
    report.seconds = round(time.monotonic() - begun, 1)
    return report
