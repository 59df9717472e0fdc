"""The command line, `account-agent`. A command's module is imported when that command runs, so that help is instant."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

__all__ = ["build_app", "main"]


@dataclass(frozen=True)
class Lazy:
    """Where a command is: `module:attribute` below this package, a function or a Typer app; and its line of help."""

    target: str
    help: str


COMMANDS = {
    "audit": Lazy("auditing:app", "Say whether the audit log is what it was."),
    "demo": Lazy("demo:demo", "Show the whole loop on a throw-away stack."),
    "devstack": Lazy("devstack:app", "Start, stop and describe the local stack."),
    "doctor": Lazy("doctor:doctor", "Check a project, before and after installing."),
    "import": Lazy("importing:import_command", "Load a CRM export, a folder of CSV files."),
    "insights": Lazy("insights:insights", "Show how things stand with a client."),
    "migrate": Lazy("migrate:migrate", "Apply the migrations that a database does not have yet."),
    "migrations": Lazy("copying:app", "Copy our migrations into a project's own."),
    "policies": Lazy("policies:policies", "Write what the migrations amount to for rights, or --check it."),
    "seed": Lazy("seeding:seed_command", "Fill an empty CRM with a small, believable one, or one of any size."),
    "serve": Lazy("serve:serve", "Run the HTTP API."),
    "suggest": Lazy("suggest:suggest", "Show what is proposed to a person, for all clients or one."),
    "uninstall": Lazy("uninstalling:uninstall_command", "Remove all of it from a project again."),
    "work": Lazy("work:work", "Do the jobs that are due."),
}


def build_app(chosen: str | None = None) -> typer.Typer:
    """Return the app with every command listed and the chosen one imported."""
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback()(_account_agent)
    for name, lazy in sorted(COMMANDS.items()):
        if name != chosen:
            app.command(name, help=lazy.help)(_not_imported)
            continue
        module, _, attribute = lazy.target.partition(":")
        target = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name)
        else:
            app.command(name)(target)
    return app


def main() -> None:
    """Run the command of sys.argv. Known faults end with their sentence and exit code 1, without a traceback."""
    chosen = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    app = build_app(chosen)
    from agent_service.errors import AgentError  # noqa: PLC0415  help needs none of it

    try:
        app(prog_name="account-agent")
    except AgentError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from None


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"account-agent {version('account-manager-agent')}")
        raise typer.Exit


def _account_agent(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """An AI account manager for CRMs on Supabase: it drafts, a person approves, Postgres enforces it."""


def _not_imported() -> None:
    """Stands for a command that was not chosen."""
