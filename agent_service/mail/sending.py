"""The send job: sign in to the mail server, note the attempt, hand the mail in, say what became of it."""

from __future__ import annotations

from uuid import UUID

from agent_service.errors import MailDeferredError, MailNotSentError
from agent_service.execution import Handler
from agent_service.jobs import Job, Jobs, Mail
from agent_service.lease import Lease
from agent_service.mail.message import build_message
from agent_service.mail.server import Delivered, MailServer, Session

__all__ = ["handle_send", "send_handler"]


def send_handler(jobs: Jobs, server: MailServer) -> Handler:
    """Return `handle_send` bound to a project and its mail server."""

    async def handle(job: Job, lease: Lease) -> UUID:
        return await handle_send(job, lease, jobs=jobs, server=server)

    return handle


async def handle_send(job: Job, lease: Lease, *, jobs: Jobs, server: MailServer) -> UUID:  # noqa: ARG001 - a handler
    """Send one mail at most once and return the id of its record.

    Raises MailNotSentError when it was refused or its end is unknown, and RetryableError when nothing was handed in.
    """
    async with server.session() as session:
        # Once and without retrying: a second begin finds the first and must take it for one that may have left.
        mail = await jobs.begin_send(lease.token)
        if mail.state != "begun":
            raise MailNotSentError(detail_code=mail.code)
        delivered = await _deliver(session, mail)
        send_id = await lease.hand_in(lambda token: jobs.complete_send(token, delivered.outcome, reply=delivered.reply))
    if delivered.outcome == "deferred":
        raise MailDeferredError
    if delivered.outcome != "sent":
        raise MailNotSentError
    return send_id


async def _deliver(session: Session, mail: Mail) -> Delivered:
    try:
        message = build_message(mail)
    except ValueError as error:
        return Delivered("refused", str(error))
    return await session.deliver(message)
