"""An approved mail in a world of tests, for those that send it."""

from __future__ import annotations

from typing import Any

from tests.world import World

SETUP = """
update public.ai_settings
set mail_from = 'team@example.com', mail_from_name = 'The team', mail_user_domains = '{example.com}';
update auth.users set email_confirmed_at = now();
"""


def set_up_mail(world: World) -> None:
    world.conn.execute(SETUP)


def refuse_mail(world: World, client: str) -> None:
    """As the client's owner hears it from them."""
    owner = world.value("select owner_id from public.clients where id = %s", world.clients[client])
    who = next(name for name, user_id in world.users.items() if user_id == owner)
    world.person(who).rpc("record_consent", p_kind="email", p_granted=False, p_client_id=world.clients[client])


def approve(world: World, who: str = "ada", client: str = "Acme", **arguments: Any) -> dict[str, Any]:
    """An email draft that its person approved, with the note that approving logged."""
    draft = world.draft(who, client, **arguments)
    world.person(who).rpc("approve_draft", p_draft_id=draft["id"], p_content_hash=draft["content_hash"])
    return world.one("select * from public.ai_drafts where id = %s", draft["id"])


def queue(world: World, who: str = "ada", client: str = "Acme", **arguments: Any) -> dict[str, Any]:
    """The record of an approved mail whose hold is over."""
    draft = approve(world, who, client, **arguments)
    send = world.person(who).rpc("send_draft", p_draft_id=draft["id"])[0]
    end_hold(world)
    return send


def end_hold(world: World) -> None:
    world.conn.execute("update agent.jobs set due_at = now() where kind = 'send' and state = 'queued'")
