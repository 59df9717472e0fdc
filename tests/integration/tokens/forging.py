"""Makes tokens of every kind: rightly signed, forged, of another algorithm, of no form at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from agent_service.devstack.keys import StackKeys

DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def part(value: Any) -> str:
    """A part of a token: bytes as they are, all else as JSON."""
    return encoded(value if isinstance(value, bytes) else json.dumps(value).encode())


@dataclass
class Forge:
    """`now` is the second it was made in; `user_id` is whose tokens it makes."""

    keys: StackKeys
    user_id: uuid.UUID = field(default_factory=uuid.uuid4)
    now: int = field(default_factory=lambda: int(time.time()))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What Auth writes into a user's token, changed; a change to None takes the claim out."""
        usual = {
            "sub": str(self.user_id), "aud": "authenticated", "role": "authenticated", "is_anonymous": False,
            "iat": self.now, "exp": self.now + 600, "session_id": str(uuid.uuid4()),
        }  # fmt: skip
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def user(self, **changes: Any) -> str:
        """A token of Auth, signed with its ES256."""
        return self.keys.sign_user_token(self.claims(**changes))

    def stranger(self) -> str:
        """The same from somebody who has a key of their own and calls it by the right name."""
        other = StackKeys.generate()
        other.user_kid = self.keys.user_kid
        return other.sign_user_token(self.claims())

    def shared(
        self,
        claims: Any = None,
        *,
        secret: bytes | None = None,
        header: Mapping[str, Any] | None = None,
        payload: bytes | None = None,
    ) -> str:
        """A token signed with the agent's secret, or with `secret`; `header` changes its header, None takes out."""
        whole = {"alg": "HS256", "typ": "JWT", "kid": self.keys.agent_kid, **(header or {})}
        whole = {name: value for name, value in whole.items() if value is not None}
        signed = f"{part(whole)}.{part(payload if payload is not None else claims or self.claims())}"
        key = self.keys.agent_secret.encode() if secret is None else secret
        digest = DIGESTS.get(str(whole.get("alg")), hashlib.sha256)
        return f"{signed}.{encoded(hmac.digest(key, signed.encode(), digest))}"

    def unsigned(self, algorithm: str = "none", signature: str = "") -> str:
        return f"{part({'alg': algorithm})}.{part(self.claims())}.{signature}"

    def confused(self, form: str) -> str:
        """HS256 with what everybody can know of the ES256 key as its secret, which a careless verifier would take."""
        public = load_pem_private_key(self.keys.user_private_key.encode(), password=None).public_key()
        secrets = {
            "jwk": json.dumps(self.keys.jwks_public()["keys"][0]).encode(),
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        }
        return self.shared(secret=secrets[form], header={"kid": self.keys.user_kid})

    def swapped(self, **changes: Any) -> str:
        """The signature of one payload under another."""
        head, _, signature = self.user().split(".")
        return f"{head}.{part(self.claims(**changes))}.{signature}"
