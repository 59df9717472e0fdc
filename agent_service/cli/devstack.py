"""`account-agent devstack`: the local stack, kept in a folder and run in the foreground or on its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from psutil import Process

    from agent_service.devstack.stack import Devstack

__all__ = ["app"]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Start, stop and describe the local stack.")

DataDir = Annotated[Path, typer.Option("--data-dir", help="The folder that keeps the stack.", file_okay=False)]
DEFAULT_DIR = Path(".devstack")
START_SECONDS = 60
STOP_SECONDS = 45
STOP_HINT = "account-agent devstack down stops it."


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DIR,
    port: Annotated[int, typer.Option(help="Port of the gateway, the Supabase URL.")] = 54321,
    db_port: Annotated[int, typer.Option(help="Port of Postgres.")] = 54322,
    empty: Annotated[bool, typer.Option("--empty", help="Leave the sample CRM without data.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it answers; leave it running.")] = False,
) -> None:
    """Run the stack until Ctrl-C. The first start makes the folder and fills the sample CRM."""
    if detach:
        _detach(data_dir, port=port, db_port=db_port, empty=empty)
        return
    from agent_service.devstack.stack import Devstack  # noqa: PLC0415  slow, and other commands do without

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    record = data_dir / "running.json"
    try:
        with Devstack(data_dir, port=port, pg_port=db_port) as stack:
            sign_ins = _sign_ins(stack, data_dir, empty=empty)
            env = stack.env()
            folders = sorted({str(stack.server.data_dir), str(stack.server.cluster_dir.parent)})
            running = {**_identity(), "env": env, "sign_ins": sign_ins, "folders": folders}
            _print(running, ends="Ctrl-C stops it.")
            _write_private(record, running)
            stop.wait()
    finally:
        if _read(data_dir).get("pid") == os.getpid():
            record.unlink()  # last, since `down` waits for it
    typer.echo("Stopped.")


def _detach(data_dir: Path, *, port: int, db_port: int, empty: bool) -> None:
    """Start `up` as a process of its own, in a session of its own, and return when it is up."""
    if _running(data_dir) is not None:
        _print(_read(data_dir), ends=STOP_HINT)
        return
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "stack.log"
    command = [sys.executable, "-m", "agent_service.cli", "devstack", "up", "--data-dir", str(data_dir)]
    command += ["--port", str(port), "--db-port", str(db_port), *(["--empty"] if empty else [])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while _running(data_dir) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            typer.echo(log.read_text(encoding="utf-8", errors="replace").strip(), err=True)
            raise typer.Exit(1)
        time.sleep(0.05)
    _print(_read(data_dir), ends=STOP_HINT)


@app.command()
def down(data_dir: DataDir = DEFAULT_DIR) -> None:
    """Stop the stack that runs in a folder, from wherever it was started."""
    process = _running(data_dir)
    if process is None:
        typer.echo(f"No stack runs in {data_dir}.")
        return
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    # The file goes when all is stopped.
    while _running(data_dir) is not None:
        if time.monotonic() > deadline:
            typer.echo(f"Process {process.pid} did not stop within {STOP_SECONDS} s.", err=True)
            raise typer.Exit(1)
        time.sleep(0.05)
    typer.echo("Stopped.")


@app.command()
def env(
    data_dir: DataDir = DEFAULT_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the running stack's settings: eval "$(account-agent devstack env)"."""
    if _running(data_dir) is None:
        typer.echo(f"No stack runs in {data_dir}. Start it with: account-agent devstack up", err=True)
        raise typer.Exit(1)
    settings: dict[str, str] = _read(data_dir)["env"]
    if as_json:
        typer.echo(json.dumps(settings, indent=2))
        return
    for name, value in settings.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _identity() -> dict[str, Any]:
    import psutil  # noqa: PLC0415

    return {"pid": os.getpid(), "started": psutil.Process().create_time()}


def _running(data_dir: Path) -> Process | None:
    """Return the process that runs the stack. Its start time is compared too, since a process id is used again."""
    import psutil  # noqa: PLC0415

    record = _read(data_dir)
    try:
        process = psutil.Process(record["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:  # it was killed, and a container's first process may never look
            return None
        return process if abs(process.create_time() - record["started"]) < 1 else None
    except (KeyError, psutil.NoSuchProcess):
        return None


def _read(data_dir: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((data_dir / "running.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def _write_private(file: Path, content: object) -> None:
    """Write in one step: whoever waits for the file must not read half of it."""
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(json.dumps(content, indent=2), encoding="utf-8")
    fresh.replace(file)


def _sign_ins(stack: Devstack, data_dir: Path, *, empty: bool) -> list[dict[str, str]]:
    """Fill the sample CRM on the first start; who can sign in is kept beside it."""
    file = data_dir / "sign-ins.json"
    if not file.is_file():
        _write_private(file, [] if empty else _seed(stack))
    kept: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return kept


def _seed(stack: Devstack) -> list[dict[str, str]]:
    import psycopg  # noqa: PLC0415

    from agent_service.crm_data.loading import AlreadyLoadedError  # noqa: PLC0415
    from agent_service.crm_data.seed import seed  # noqa: PLC0415

    password = stack.server.password("sign-ins")[:16]
    with contextlib.suppress(AlreadyLoadedError):  # a first start that was killed before it could say who signs in
        seed(stack.database_url, password=password)
    with psycopg.connect(stack.database_url) as connection:
        people = connection.execute("select email, role from public.profiles order by role desc, email").fetchall()
    return [{"email": email, "password": password, "role": role} for email, role in people]


def _print(running: dict[str, Any], *, ends: str) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"\n[bold]The local stack is running.[/bold] {ends}\n")
    for name, value in running["env"].items():
        console.print(f"  [dim]{name:<25}[/dim]{escape(value)}")
    if running["sign_ins"]:
        console.print("\n[bold]Sign-ins[/bold]")
    for person in running["sign_ins"]:
        console.print(f"  {escape(person['email']):<36}{escape(person['password']):<20}[dim]{person['role']}[/dim]")
    console.print(f"\n[dim]Kept in {escape(' and '.join(running['folders']))}. Settings for another shell:[/dim]")
    console.print('  eval "$(account-agent devstack env)"\n')
