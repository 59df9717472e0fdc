"""A double of the Messages API that is a server, so that the official SDK is used against it as it is.

    with Double(answerer=honest) as double:
        client = AsyncAnthropic(base_url=double.url, api_key=KEY, max_retries=0)
        double.script(RateLimited(retry_after=120), None)  # the next request, then one that is answered
        double.script.rule(Overloaded(), every=3)  # and from then on
        ...
        assert [request.outcome for request in double.requests] == ["rate_limit_error", "answered"]

Faults are in `tests.double.faults`. In a process of its own, `python -m tests.double` prints its URL, and the same goes
over HTTP: `POST /_double/script` takes {"faults": [fault.as_json(), null], "rules": [...], "answerer": "obeys", ...}
(see `app.instruct`), and `GET /_double/requests` gives what was received.

It knows nothing of this project: what it says is worked out from the JSON in the prompt.
"""

from __future__ import annotations

from tests.double.answerers import Draft, Prompt, fixed, honest, obeys
from tests.double.answers import Pace, tokens
from tests.double.server import Double
from tests.double.service import KEY, MODELS, Received

__all__ = ["KEY", "MODELS", "Double", "Draft", "Pace", "Prompt", "Received", "fixed", "honest", "obeys", "tokens"]
