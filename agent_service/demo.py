"""The whole loop on a throw-away stack, as a salesperson, a colleague, a stranger and the agent live it.

Everything goes over HTTP with the official `supabase` client; the worker is a process of its own that is given a worker
key and nothing else. Every promise is a check; `run` returns how many did not hold.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postgrest.exceptions import APIError
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

import supabase
from agent_service.crm_data.seed import seed
from agent_service.devstack.stack import Devstack
from agent_service.errors import PermanentError
from agent_service.settings import load_settings

WANTED = (("email", "follow_up"), ("note", "check_in"), ("task", "task_reminder"))
SHOWN_FAULTS = 20
WORKER_SETTINGS = ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "AGENT_WORKER_KEY", "AGENT_LISTEN_URL")


@dataclass
class Demo:
    """One run: the stack, the people, and what did not hold."""

    stack: Devstack
    console: Console
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    failures: list[str] = field(default_factory=list)

    def check(self, holds: object, sentence: str) -> None:
        """Print a promise with a tick or a cross and remember the crosses."""
        self.console.print(f"  {'[green]✓[/]' if holds else '[bold red]✗[/]'} {escape(sentence)}")
        if not holds:
            self.failures.append(sentence)

    def client(self, email: str | None = None, token: str | None = None) -> supabase.Client:
        """An official client: signed in by password, or sending ``token``, or with the publishable key alone."""
        made = supabase.create_client(self.stack.url, self.stack.publishable_key)
        if email:
            made.auth.sign_in_with_password({"email": email, "password": self.password})
        if token:
            made.postgrest.auth(token)
        return made

    @contextmanager
    def refused(self, sentence: str, *codes: str) -> Iterator[None]:
        """The block must be refused with one of these codes (SQLSTATE or detail)."""
        try:
            yield
        except APIError as exc:
            said = {str(exc.code), str(exc.details).split(":")[0]}
            self.check(said & set(codes), f"{sentence}: {exc.message} ({exc.code})")
        else:
            self.check(False, f"{sentence}: it was NOT refused")  # noqa: FBT003


def run(console: Console, *, data: Path | None = None, mapping: Path | None = None) -> int:
    """Show the loop; return the number of promises that did not hold (0 is success)."""
    with console.status("Starting a throw-away Postgres, Auth and REST on free ports …"):
        stack = Devstack(None)
        stack.start()
    try:
        demo = Demo(stack, console)
        console.print(f"[bold]Stack[/] {stack.url}  (Postgres and gateway of this process; gone when it ends)")
        sign_ins = load_crm(demo, data, mapping)
        play(demo, sign_ins)
    finally:
        stack.stop()
    if demo.failures:
        console.print(f"[bold red]{len(demo.failures)} promises did not hold:[/]")
        for failure in demo.failures:
            console.print(f"  {escape(failure)}")
    else:
        console.print("[bold green]All of it held.[/]")
    return len(demo.failures)


def load_crm(demo: Demo, data: Path | None, mapping: Path | None) -> list[str]:
    """Fill the CRM; return the addresses of two salespeople, the one with the most to do first."""
    with demo.console.status("Loading the CRM …"):
        if data:
            from agent_service.crm_data.importing import import_folder  # noqa: PLC0415

            report = import_folder(
                data, mapping, database_url=demo.stack.database_url, newest_days_ago=3, password=demo.password
            )
            if not report.loaded:
                told = "\n".join(map(str, report.faults[:SHOWN_FAULTS]))
                raise PermanentError(f"The export has {len(report.faults)} faults, and nothing was loaded:\n{told}")
            people, counts = report.sign_ins, report.counts
        else:
            result = seed(demo.stack.database_url, password=demo.password)
            people, counts = result.sign_ins, result.counts
    demo.console.print("[bold]CRM[/]   " + ", ".join(f"{n:,} {table}" for table, n in counts.items()))
    salespeople = [person.email for person in people if person.role != "admin"]
    busiest = sorted(salespeople, key=lambda email: -len(owned_clients(demo.client(email), 50)))
    return busiest[:2]


def owned_clients(user: supabase.Client, limit: int) -> list[dict[str, Any]]:
    """The clients a user sees, by row-level security."""
    rows: Any = user.table("clients").select("id,name,company").order("name").limit(limit).execute().data
    return list(rows)


def play(demo: Demo, sign_ins: list[str]) -> None:
    """Ask, write, show, attack, approve."""
    asker, colleague = demo.client(sign_ins[0]), demo.client(sign_ins[1])
    demo.console.rule("1. A salesperson asks")
    requests = ask(demo, asker, sign_ins[0])
    demo.console.rule("2. A worker writes, under that person's rights")
    tell_writer(demo)
    drain(demo)
    demo.console.rule("3. The drafts, beside the facts they rest on")
    drafts = {row["request_id"]: row for row in rows(asker.table("ai_drafts").select("*").order("created_at"))}
    for request in requests:
        show(demo, drafts.get(request["id"]))
    demo.check(len(drafts) == len(requests), f"{len(requests)} requests became {len(drafts)} drafts, each written once")
    writer = "anthropic" if load_settings().has_model else "offline"
    demo.check(all(row["provider"] == writer for row in drafts.values()), f"all of them were written by {writer}")
    books = rows(asker.table("ai_interactions").select("cost_usd,input_tokens,output_tokens,outcome"))
    spent = sum(float(row["cost_usd"]) for row in books)
    tokens = sum(row["input_tokens"] + row["output_tokens"] for row in books)
    demo.console.print(f"  On the books: {len(books)} attempts, {tokens:,} tokens, ${spent:.6f}")
    demo.console.rule("4. Nobody else sees them, and the agent cannot approve")
    attack(demo, asker, colleague, next(iter(drafts.values())))
    demo.console.rule("5. The person approves")
    approve(demo, asker, list(drafts.values()))


def ask(demo: Demo, asker: supabase.Client, email: str) -> list[dict[str, Any]]:
    """Request an email, a note and a task for the three clients with the most going on."""
    contexts = [context(asker, row["id"]) for row in owned_clients(asker, 30)]
    contexts.sort(key=lambda c: -len(c["activeDeals"]) - len(c["recentActivities"]))
    contexts.sort(key=lambda c: not c["pendingTasks"])  # the reminder, which is last, wants one with a task
    contexts[:3] = contexts[2::-1]
    made = []
    for (draft_type, purpose), about in zip(WANTED, contexts, strict=False):
        arguments = {"p_client_id": about["client"]["id"], "p_draft_type": draft_type, "p_purpose": purpose}
        request: Any = asker.rpc("request_draft", arguments).execute().data
        article = "an" if draft_type == "email" else "a"
        demo.console.print(
            f"  {email} asks for {article} {draft_type} ({purpose}) for [bold]{escape(about['client']['name'])}[/]"
        )
        made.append(request)
    again: Any = asker.rpc("request_draft", arguments).execute().data
    demo.check(again["id"] == made[-1]["id"], "the same request again is the same request, not a second job")
    demo.check(len(made) == len(WANTED), f"{len(WANTED)} drafts were asked for")
    return made


def context(user: supabase.Client, client_id: str) -> dict[str, Any]:
    """What the agent would be given about a client, as this user."""
    data: Any = user.rpc("get_client_context", {"p_client_id": client_id}).execute().data
    return dict(data)


def tell_writer(demo: Demo) -> None:
    """Say who writes, and how to have it otherwise."""
    settings = load_settings()
    if settings.has_model:
        where = settings.anthropic_base_url or "Anthropic"
        demo.console.print(f"  A model writes ({escape(where)}); without it the offline templates do.")
    else:
        demo.console.print("  No model is set up, so the offline templates write. Set ANTHROPIC_API_KEY for a model.")


def drain(demo: Demo) -> None:
    """Run `account-agent work --once` with a worker key and no other secret."""
    env = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"}}
    env |= {k: v for k, v in demo.stack.env().items() if k in WORKER_SETTINGS}
    done = subprocess.run(
        [sys.executable, "-m", "agent_service.cli", "work", "--once"],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    said = (done.stdout or done.stderr).strip()
    demo.check(done.returncode == 0, f"account-agent work --once: {said}")


def show(demo: Demo, draft: dict[str, Any] | None) -> None:
    """One draft beside the facts it used."""
    if draft is None:
        return
    known = draft["context_snapshot"]
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for fact in (draft["grounding"] or {}).get("facts", []):
        facts.add_row(fact["kind"], escape(str(fact["label"])))
    facts.add_row("language", draft["language"])
    facts.add_row("written by", f"{draft['provider']} ({draft['model']})")
    if "score" in (draft["grounding"] or {}):
        checked, flags = draft["grounding"]["checked"], draft["grounding"]["flags"]
        facts.add_row("grounded", f"{draft['grounding']['score']:.0%} of {checked} claims; {len(flags)} flagged")
    if draft["notice"]:
        facts.add_row("notice", draft["notice"])
    if draft["recipient"]:
        facts.add_row("recipient", draft["recipient"])
    facts.add_row("context", draft["context_version"])
    title = f"{draft['draft_type']} · {draft['purpose']} · {escape(known['client']['name'])}"
    side_by_side = Table.grid(expand=True)
    side_by_side.add_column(ratio=3)
    side_by_side.add_column(ratio=2)
    text = Markdown(f"**{draft['subject'] or ''}**\n\n{draft['content']}")
    side_by_side.add_row(Panel(text, title=title), Panel(facts, title="facts"))
    demo.console.print(side_by_side)


def attack(demo: Demo, asker: supabase.Client, colleague: supabase.Client, draft: dict[str, Any]) -> None:
    """A colleague, a stranger and the agent's own token try what they must not."""
    demo.check(not rows(colleague.table("ai_drafts").select("id")), "a colleague sees none of the drafts")
    with demo.refused("a colleague cannot read the client's context", "client_not_found"):
        context(colleague, draft["client_id"])
    with demo.refused("a stranger with the publishable key alone sees none", "42501"):
        rows(demo.client().table("ai_drafts").select("id"))

    arguments = {"p_client_id": draft["client_id"], "p_draft_type": "memo", "p_purpose": "custom"}
    asker.rpc("request_draft", arguments).execute()
    worker = demo.client(token=demo.stack.env()["AGENT_WORKER_KEY"])
    job: Any = worker.rpc("claim_jobs", {"p_limit": 1}).execute().data[0]  # type: ignore[index]
    agent = demo.client(token=job["token"])
    demo.check(context(agent, draft["client_id"])["client"], "the agent's token reads the client of its job")
    approval = {"p_draft_id": draft["id"], "p_content_hash": draft["content_hash"]}
    with demo.refused("the agent's token cannot approve", "agent_refused"):
        agent.rpc("approve_draft", approval).execute()
    with demo.refused("the agent's token cannot touch a CRM row", "agent_refused"):
        agent.table("clients").update({"name": "Changed"}).eq("id", draft["client_id"]).execute()
    with demo.refused("the worker's key cannot read a table", "worker_refused"):
        rows(worker.table("clients").select("id"))
    worker.rpc("fail_job", {"p_job_token": job["token"], "p_code": "returned"}).execute()
    with demo.refused("a token whose job was given back reads nothing", "stale_fence"):
        context(agent, draft["client_id"])
    drain(demo)


def approve(demo: Demo, asker: supabase.Client, drafts: list[dict[str, Any]]) -> None:
    """The person who asked approves what they were shown; it reaches the CRM."""
    with demo.refused("a text that was not the one shown cannot be approved", "draft_changed"):
        asker.rpc("approve_draft", {"p_draft_id": drafts[0]["id"], "p_content_hash": "0" * 64}).execute()
    for draft in drafts:
        arguments = {"p_draft_id": draft["id"], "p_content_hash": draft["content_hash"]}
        approved: Any = asker.rpc("approve_draft", arguments).execute().data
        demo.check(approved["status"] == "approved", f"the person's approval of the {draft['draft_type']} works")
        table, column = ("tasks", "title") if draft["draft_type"] == "task" else ("activities", "subject")
        found = rows(
            asker.table(table).select("id").eq("client_id", draft["client_id"]).eq(column, draft["subject"]).limit(1)
        )
        demo.check(found, f"and is in the CRM's {table}")


def rows(query: Any) -> list[dict[str, Any]]:
    """The rows of a PostgREST query."""
    return list(query.execute().data)
