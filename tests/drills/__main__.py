"""`make drill`: the full-size drills, with figures to keep."""

from __future__ import annotations

import json
import sys

from tests.drills import crash


def main() -> int:
    """Run them all; exit 1 if one found what it must not."""
    failed = False
    for name, size, clean in (
        ("crash", crash.Size(jobs=300, kills=100, zombies=10), True),
        ("crash without fencing (control)", crash.Size(jobs=20, kills=0, zombies=10, fenced=False), False),
    ):
        report = crash.run(size)
        found = report.lost + report.doubled + report.stuck > 0
        failed |= found is clean
        print(json.dumps({"drill": name, **report.as_dict()}))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
