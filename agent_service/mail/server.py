"""A mail server, spoken to by aiosmtplib: each failure becomes what it means for the mail."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from agent_service.errors import ConfigurationError, Fault, MailDeferredError, MailSetupError
from agent_service.jobs import SendOutcome

if TYPE_CHECKING:
    from aiosmtplib import SMTP

__all__ = ["Delivered", "MailServer", "Session", "server_of"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MEND = "Set it to smtp://user:password@host:587, with %-escapes in user and password, or to smtps://…:465."


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one mail: `sent`, `deferred`, `refused` or `unknown`, and what the server said."""

    outcome: SendOutcome
    reply: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in. is_tls: from the first byte (smtps); starttls: before anything is said (smtp).

    timeout: seconds for each answer.
    """

    host: str
    port: int
    user: str | None = None
    password: SecretStr | None = None
    is_tls: bool = False
    starttls: bool = True
    timeout: float = 20.0

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Connect and sign in: until here no mail is at stake.

        Raises MailDeferredError (away, busy) and MailSetupError (certificate, no STARTTLS, wrong password).
        """
        smtp = await self._connect()
        try:
            yield Session(smtp)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(smtp.quit(), 2)
            smtp.close()

    async def _connect(self) -> SMTP:
        import aiosmtplib  # noqa: PLC0415 - only where mail is sent

        smtp = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password.get_secret_value() if self.password else None,
            use_tls=self.is_tls,
            start_tls=self.starttls and not self.is_tls,
            timeout=self.timeout,
        )
        try:
            await smtp.connect()
        except ssl.SSLCertVerificationError as error:
            raise MailSetupError(f"The mail server's certificate is not valid: {error.verify_message}.") from None
        except aiosmtplib.SMTPResponseException as error:
            kind = MailDeferredError if 400 <= error.code < 500 else MailSetupError
            raise kind(f"The mail server does not let us in: {error.code}.") from None
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError) as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise MailSetupError("The mail server's certificate is not valid.") from None
            raise MailDeferredError(f"The mail server cannot be reached: {type(error).__name__}.") from None
        except (aiosmtplib.SMTPException, ValueError) as error:
            raise MailSetupError(f"The mail server cannot be used: {type(error).__name__}.") from None
        return smtp


class Session:
    """One connection, signed in."""

    def __init__(self, smtp: SMTP) -> None:
        self._smtp = smtp

    async def deliver(self, message: EmailMessage) -> Delivered:
        """Hand in one message, to its one recipient. Raises nothing but CancelledError.

        Up to DATA the server has nothing, so a lost connection is `deferred`. From then on only its own answer says
        whether it took the mail; without one it is `unknown`.
        """
        import aiosmtplib  # noqa: PLC0415

        may_have_left = False
        try:
            await self._smtp.mail(message["From"].addresses[0].addr_spec)
            await self._smtp.rcpt(message["To"].addresses[0].addr_spec)
            data = message.as_bytes()
            may_have_left = True
            response = await self._smtp.data(data)
        except aiosmtplib.SMTPResponseException as error:
            # An answer that is none of SMTP's says nothing, least of all about a mail that may have left.
            if not 400 <= error.code < 600:
                return Delivered("unknown" if may_have_left else "deferred", _said(error.code, error.message))
            return Delivered("deferred" if error.code < 500 else "refused", _said(error.code, error.message))
        except Exception as error:  # noqa: BLE001 - whatever it is, the mail's end must be told
            return Delivered("unknown" if may_have_left else "deferred", type(error).__name__)
        return Delivered("sent", _said(response.code, response.message))


def _said(code: int, message: str) -> str:
    return f"{code} {message}"[:300]


def server_of(url: SecretStr) -> MailServer:
    """Read SMTP_URL. Raises ConfigurationError; no message of it holds the password."""
    parts = urlsplit(url.get_secret_value())
    options = parse_qs(parts.query)
    starttls = options.pop("starttls", ["yes"])[-1]
    faults = []
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        faults.append(Fault("SMTP_URL", "is not an smtp:// URL with a host.", _MEND))
    if options or starttls not in {"yes", "no"} or parts.path not in {"", "/"}:
        faults.append(Fault("SMTP_URL", "has options that there are not.", "There is ?starttls=no, on loopback only."))
    if starttls == "no" and parts.hostname not in _LOOPBACK:
        faults.append(Fault("SMTP_URL", "turns encryption off for another machine.", "Leave out ?starttls=no."))
    if (parts.username is None) != (parts.password is None):
        faults.append(Fault("SMTP_URL", "has a user without a password, or the other way round.", _MEND))
    if faults:
        raise ConfigurationError(faults)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or (465 if parts.scheme == "smtps" else 587),
        user=unquote(parts.username) if parts.username else None,
        password=SecretStr(unquote(parts.password)) if parts.password else None,
        is_tls=parts.scheme == "smtps",
        starttls=starttls == "yes",
    )
