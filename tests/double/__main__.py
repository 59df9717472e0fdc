"""`python -m tests.double`: the double as a process of its own. Prints its URL, and runs until it is told to end."""

from __future__ import annotations

import argparse
import contextlib
import signal

from tests.double.answerers import ANSWERERS
from tests.double.answers import Pace
from tests.double.server import Double
from tests.double.service import KEY


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.double", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="a free one if not given")
    parser.add_argument("--answerer", choices=sorted(ANSWERERS), default="honest")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long an answer takes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pace = Pace.lasting(options.seconds)
    with Double(port=options.port, answerer=ANSWERERS[options.answerer], pace=pace) as double:
        print(double.url, flush=True)
        print(f"ANTHROPIC_BASE_URL={double.url} ANTHROPIC_API_KEY={KEY}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
