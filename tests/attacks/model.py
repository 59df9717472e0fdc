"""The words that attacks are written in: who tries, which request, what must come back, what it proves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.attacks.scene import Scene

# A value, or where in the scene it stands.
Value = Any
OK = "ok"


@dataclass(frozen=True)
class Who:
    """A principal of the scene, some of its claims changed as `but` says (a claim that is `...` is left out)."""

    name: str
    changed: Mapping[str, Value] = field(default_factory=dict)

    def but(self, **changed: Value) -> Who:
        return replace(self, changed={**self.changed, **changed})

    def claims(self, scene: Scene) -> dict[str, Any]:
        changed = {key: value(scene) if callable(value) else value for key, value in self.changed.items()}
        whole = scene.claims[self.name] | changed
        return {key: value for key, value in whole.items() if value is not ...}

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.changed)})" if self.changed else self.name


@dataclass(frozen=True)
class Call:
    """POST /rpc/<function>; `path` is sent as it is."""

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.function}({json.dumps(self.arguments, default=str)[:160]})"


@dataclass(frozen=True)
class Rows:
    """GET, POST, PATCH or DELETE on a table or view; filters are equalities."""

    method: str
    table: str
    body: Mapping[str, Any] | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.table} {dict(self.body or {})} {dict(self.filters)}"[:200]


@dataclass(frozen=True)
class Statement:
    """SQL at top level, where only somebody on a connection of their own could send it; `data` is what COPY reads."""

    text: str
    data: str | None = None

    def __str__(self) -> str:
        return self.text[:200]


@dataclass(frozen=True)
class Http:
    """Any request to the gateway, as `<method> <path>` with a JSON body."""

    line: str
    body: Any = None

    def __str__(self) -> str:
        return self.line[:200]


Request = Call | Rows | Statement | Http


def rpc(function: str, /, **arguments: Any) -> Call:
    return Call(function, arguments)


def sql(text: str) -> Call:
    """Any SQL, through a host's function that runs what it is given with the caller's rights."""
    return rpc("run_sql", p_sql=text)


def sql_as_owner(text: str) -> Call:
    """Any SQL, through a host's function that runs what it is given with its owner's rights."""
    return rpc("run_sql_as_owner", p_sql=text)


@dataclass(frozen=True)
class Reply:
    """What came back; `error` is SQLSTATE or PostgREST's code, detail and message, and `value` None then."""

    value: Any = None
    error: tuple[str, str, str] | None = None
    status: int | None = None

    def __str__(self) -> str:
        return " ".join(map(str, filter(None, self.error))) if self.error else f"{OK}: {str(self.value)[:200]}"


class Answer:
    """What must come back."""

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        """Say what is wrong with the reply: `succeeded`, `silent` or `refused otherwise`, or None."""
        raise NotImplementedError


@dataclass(frozen=True)
class Refused(Answer):
    """This SQLSTATE, a detail that starts with this code, a message that holds these words."""

    code: str
    detail: str | None = None
    says: str = ""

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        if reply.error is None:
            return "silent" if is_nothing(reply.value) else "succeeded"
        code, detail, message = reply.error
        as_expected = code == self.code and self.says in message and self.detail in (None, detail.split(":")[0])
        status = reply.status
        if as_expected and status is not None:
            as_expected = status == int(code[2:]) if code.startswith("PT") else status >= 400
        return None if as_expected else "refused otherwise"

    def __str__(self) -> str:
        return " ".join(filter(None, [self.code, self.detail, self.says and f"'{self.says}'"]))


@dataclass(frozen=True)
class OneOf(Answer):
    """Any of these."""

    answers: tuple[Answer, ...]

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        faults = [answer.fault(reply, scene) for answer in self.answers]
        return None if None in faults else faults[0]

    def __str__(self) -> str:
        return " or ".join(map(str, self.answers))


@dataclass(frozen=True)
class Nothing(Answer):
    """No rows and no error, as Postgres answers by nature where a policy hides them."""

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        if reply.error:
            return "refused otherwise"
        return None if is_nothing(reply.value) else "succeeded"

    def __str__(self) -> str:
        return "0 rows"


@dataclass(frozen=True)
class Returns(Answer):
    """Exactly this value."""

    value: Callable[[Scene], Any]

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        if reply.error:
            return "refused otherwise"
        return None if str(reply.value) == str(self.value(scene)) else "succeeded"

    def __str__(self) -> str:
        return "the same answer as before"


@dataclass(frozen=True)
class Harmless(Answer):
    """Any answer that is no error; what it changes and shows is judged as always."""

    def fault(self, reply: Reply, scene: Scene) -> str | None:
        return "refused otherwise" if reply.error else None

    def __str__(self) -> str:
        return "done, and nothing changed or shown"


def refused(code: str, detail: str | None = None, says: str = "") -> Refused:
    return Refused(code, detail, says)


def one_of(*answers: Answer) -> OneOf:
    return OneOf(answers)


def is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], 0)


Try = Request | tuple[Who, Request]


@dataclass(frozen=True)
class Held:
    """What somebody's open transaction has done before the attack begins; it commits once the attack waits for it."""

    who: Who
    request: Request
    commits: bool = True


@dataclass(frozen=True)
class Attack:
    """One case: each of `by` makes all of `tries`, all come back as `expect`, and the state stays as it was."""

    id: str
    sentence: str
    by: tuple[Who, ...]
    tries: Callable[[Scene], Iterable[Try]]
    expect: Answer
    proves: tuple[str, ...] = ()
    """Patterns of the controls that this case, by itself, shows to be at work."""
    given: str = ""
    """What the database's owner did before; often it takes an outer layer away. %(names)s are the scene's."""
    before: Callable[[Scene], Iterable[tuple[Who, Request]]] | None = None
    """Requests that succeed before it begins."""
    held: Callable[[Scene], Held] | None = None
    hook: bool = True
    changes: frozenset[str] = frozenset()
    """Tables that may change, since the request is allowed but must not do more than that."""
    unharmed: str = ""
    """A question that must be answered with true afterwards."""
    leaves_traces: bool = False
    """It leaves things in its session, which over HTTP is a connection of the pool."""
    only: str = ""
    """Why it runs on one driver: "sql: …" or "http: …"."""
    over_http: Answer | None = None
    """What comes back there instead, as PostgREST refuses it before Postgres is asked."""

    @property
    def group(self) -> str:
        return self.id.split("-")[0]

    @property
    def is_alone(self) -> bool:
        """Whether it needs a database that no other case has seen."""
        return bool(self.leaves_traces or self.given or self.before or self.held or self.changes or self.unharmed)

    def runs_on(self, driver: str) -> bool:
        return not self.only or self.only.startswith(driver)
