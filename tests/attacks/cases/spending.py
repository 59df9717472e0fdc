"""Spending without a budget, past one, on another's, or where AI is switched off."""

from __future__ import annotations

from tests.attacks.cases.answers import INVALID, INVALID_OUTPUT, STALE
from tests.attacks.cases.asking import ask
from tests.attacks.cases.completing import complete
from tests.attacks.cases.money import AI_OFF, NO_MONEY, NOT_RESERVED, OUT_OF_MONEY, SWITCHED_OFF, reserve
from tests.attacks.cases.people import AGENT, OWNER, WORKER
from tests.attacks.cases.working import NO_TOKEN, with_payload
from tests.attacks.model import Attack, refused

ATTACKS = [
    Attack(
        "money-forged-token",
        "A worker reserves with a token whose payload is another job's.",
        (WORKER,),
        lambda s: [
            reserve(with_payload(s.tokens["agent"], s.tokens["agent_beside"])),
            reserve("x"),
            reserve(None),
            reserve(s.persons_token),
        ],
        NO_TOKEN,
    ),
    Attack(
        "money-stale",
        "A worker reserves for a job that has moved on, went back to the queue, or is closed.",
        (WORKER,),
        lambda s: [
            reserve(s.tokens[name]) for name in ("agent_stale", "agent_requeued", "agent_failed", "agent_after")
        ],
        STALE,
        proves=("guard agent.reserve_budget_v1: stale_fence",),
    ),
    Attack(
        "money-nonsense",
        "A worker reserves with what are no tokens, no provider, no usage.",
        (WORKER,),
        lambda s: [
            reserve(s.tokens["agent"], **more)
            for more in (
                {"p_provider": "Free Of Charge"},
                {"p_provider": None},
                {"p_model": ""},
                {"p_model": "x" * 101},
                {"p_input_tokens": -1},
                {"p_input_tokens": 10_000_001},
                {"p_input_tokens": None},
                {"p_output_tokens": 0},
                {"p_output_tokens": -1000},
                {"p_output_tokens": 1_000_001},
                {"p_usage": {"input_tokens": -1}},
                {"p_usage": {"output_tokens": "many"}},
                {"p_usage": []},
                {"p_is_batch": None},
            )
        ],
        INVALID,
        given="alter table ai_interactions alter column is_batch drop not null;"
        "insert into agent.model_prices (provider, model, effective_at, input_usd, cache_write_usd, cache_read_usd, "
        "output_usd) select p, m, '2026-01-01', 1, 1, 1, 1 "
        "from (values ('Free Of Charge', 'claude-haiku-5-5'), ('anthropic', ''), ('anthropic', repeat('x', 101))) "
        "as v (p, m)",
        proves=("fault agent.reserve_budget_v1: *",),
    ),
    Attack(
        "money-no-price",
        "A worker reserves for a model that nobody has set a price for.",
        (WORKER,),
        lambda s: [reserve(s.tokens["agent"], p_model="free"), reserve(s.tokens["agent"], p_provider="cheaper")],
        refused("PT500", "price_unknown"),
    ),
    Attack(
        "money-dollars",
        "A worker reserves what the user's dollars do not pay for.",
        (WORKER,),
        lambda s: [reserve(s.tokens["agent"]), reserve(s.tokens["agent"], p_is_batch=True)],
        OUT_OF_MONEY,
        given=NO_MONEY.format("limit_usd", 0),
        proves=("code agent.reserve: dollars",),
    ),
    Attack(
        "money-tokens",
        "A worker reserves what the user's tokens do not suffice for.",
        (WORKER,),
        lambda s: [reserve(s.tokens["agent"])],
        OUT_OF_MONEY,
        given=NO_MONEY.format("limit_tokens", 1999),
        proves=("code agent.reserve: tokens",),
    ),
    Attack(
        "money-of-all",
        "A worker reserves what the organisation does not pay for, though the user may.",
        (WORKER,),
        lambda s: [reserve(s.tokens["agent"])],
        OUT_OF_MONEY,
        given="update ai_budgets set limit_usd = 0 where scope = 'organisation';" + NO_MONEY.format("limit_usd", 1000),
        proves=("code agent.reserve: dollars",),
    ),
    Attack(
        "money-asked",
        "A user asks for a draft that there is no money for.",
        (OWNER,),
        lambda s: [ask(s.apex)],
        OUT_OF_MONEY,
        given=NO_MONEY.format("limit_usd", 0) + "; insert into agent.ledger (scope, user_id, period, starts_on) "
        "values ('user', %(owner)s, 'day', (now() at time zone 'UTC')::date)",
        proves=("code agent.request_draft_v2: money",),
    ),
    Attack(
        "money-circuit",
        "A worker asks a provider that is known to be down.",
        (WORKER,),
        lambda s: [reserve(s.tokens["agent"])],
        refused("PT503", "provider_unavailable"),
        given="insert into agent.providers (provider, failures, open_until) "
        "values ('anthropic', 5, now() + interval '1 day')",
        proves=("guard agent.require_provider: provider_unavailable",),
    ),
    Attack(
        "money-unreserved",
        "The agent hands in a model's draft that nothing was set aside for, or as another model's.",
        (AGENT,),
        lambda s: [
            complete(p_provider="anthropic", p_model=model)
            for model in ("claude-haiku-5-5", "claude-opus-5-5", None, "offline-templates/1")
        ],
        NOT_RESERVED,
        proves=("guard agent.finish_complete_v1: not_reserved",),
    ),
    Attack(
        "money-other-model",
        "The agent hands in as another model's what was set aside for a cheap one.",
        (AGENT,),
        lambda s: [
            complete(p_provider="anthropic", p_model="claude-opus-5-5"),
            complete(p_provider="other", p_model="x"),
        ],
        NOT_RESERVED,
        before=lambda s: [(WORKER, reserve(s.tokens["agent"]))],
        proves=("code agent.finish_complete_v1: model",),
    ),
    Attack(
        "money-failed-usage",
        "The agent hands in a template, with nonsense for what the failed model cost.",
        (AGENT,),
        lambda s: [
            complete(p_usage={"failed_code": "refused", "failed": failed})
            for failed in ("nothing", [], {"input_tokens": -5}, {"output_tokens": 1.5})
        ],
        INVALID_OUTPUT,
        proves=("guard agent.finish_complete_v1: invalid_output",),
    ),
    Attack(
        "money-off",
        "AI is switched off for all, a role, the user, the client: a user asks, the agent hands in.",
        (OWNER,),
        lambda s: [ask(s.acme), (AGENT, complete())],
        AI_OFF,
        given=SWITCHED_OFF.format("client", "%(acme)s"),
        proves=("guard agent.require_ai_on: ai_off", "code agent.require_ai_on: client"),
    ),
    *[
        Attack(
            f"money-off-{scope}",
            f"AI is switched off for the {scope}.",
            (OWNER,),
            lambda s: [ask(s.acme), ask(s.apex), (AGENT, complete())],
            AI_OFF,
            given=SWITCHED_OFF.format(scope, subject),
            proves=(f"code agent.require_ai_on: {scope}",),
        )
        for scope, subject in (("organisation", "'*'"), ("role", "'user'"), ("user", "%(owner)s"))
    ],
]
