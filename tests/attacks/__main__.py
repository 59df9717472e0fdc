"""`python -m tests.attacks`: the cases with what came back, the limits, and which case sees which control missing."""

from __future__ import annotations

import argparse
import logging
import sys

from rich.console import Console
from rich.table import Table

from agent_service.logging import configure_logging
from tests.attacks.cases import ATTACKS, LIMITS
from tests.attacks.model import Attack
from tests.attacks.running import Template
from tests.attacks.suite import all_mutations, kill, on_a_server, outcomes

WIDTH = 200


def main() -> int:
    """Run and list them; exit 1 if an attack had success or a control is not missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("--mutations", action=argparse.BooleanOptionalAction, default=True, help="take controls away")
    parser.add_argument("--http", action=argparse.BooleanOptionalAction, default=True, help="send over HTTP as well")
    parser.add_argument("--only", default="", help="cases whose id holds this, controls whose name does")
    options = parser.parse_args()
    configure_logging(level=logging.ERROR)
    console = Console(width=WIDTH)
    with on_a_server() as template:
        red = _list_cases(console, template, ["sql", "http"] if options.http else ["sql"], options.only)
        _list_limits(console)
        survived = _list_mutations(console, template, options.only) if options.mutations else 0
    return int(red + survived > 0)


def _list_cases(console: Console, template: Template, drivers: list[str], only: str) -> int:
    attacks = [attack for attack in ATTACKS if only in attack.id]
    found = {(o.attack.id, driver): o for driver in drivers for o in outcomes(template, driver, attacks)}
    table = Table("case", "what is tried", "by", "what must come back", *drivers, title=f"{len(attacks)} attacks")
    for attack in attacks:
        told = [found.get((attack.id, driver)) for driver in drivers]
        said = ["-" if o is None else o.faults[0].kind if o.faults else f"{o.tries} as due" for o in told]
        by = ", ".join(dict.fromkeys(str(who) for who in attack.by))
        table.add_row(attack.id, attack.sentence, by, _expected(attack), *said)
    console.print(table)
    return sum(bool(outcome.faults) for outcome in found.values())


def _expected(attack: Attack) -> str:
    over_http = f"; over HTTP {attack.over_http}" if attack.over_http else ""
    return f"{attack.expect}{over_http}" + (f" [{attack.only}]" if attack.only else "")


def _list_limits(console: Console) -> None:
    table = Table("limit", "what succeeds where any SQL can be run", "stopped by", title=f"{len(LIMITS)} limits")
    for limit in LIMITS:
        table.add_row(limit.attack.id, limit.attack.sentence, limit.stopped_by)
    console.print(table)


def _list_mutations(console: Console, template: Template, only: str) -> int:
    controls = [mutation for mutation in all_mutations(template) if only in mutation.control]
    kills = [kill(template, mutation) for mutation in controls]
    table = Table("control taken away", "seen by", "how", title=f"{len(kills)} mutations")
    for killed in kills:
        table.add_row(killed.control, killed.attack or "nobody", killed.kind)
    console.print(table)
    return sum(killed.attack is None for killed in kills)


if __name__ == "__main__":
    sys.exit(main())
