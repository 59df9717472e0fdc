"""The keys of a stack: what is published, what is trusted, what stays private."""

from __future__ import annotations

import time

import jwt
import pytest

from agent_service.devstack.keys import PUBLISHABLE_KEY, StackKeys


@pytest.fixture(scope="module")
def keys() -> StackKeys:
    return StackKeys.generate()


def test_two_stacks_share_nothing_but_the_publishable_key(keys):
    other = StackKeys.generate()
    assert other.publishable_key == keys.publishable_key == PUBLISHABLE_KEY
    assert other.secret_key != keys.secret_key
    assert other.agent_secret != keys.agent_secret
    assert other.user_private_key != keys.user_private_key


def test_only_the_public_half_of_the_users_key_is_published(keys):
    (published,) = keys.jwks_public()["keys"]
    assert (published["kty"], published["alg"], published["kid"]) == ("EC", "ES256", keys.user_kid)
    assert "d" not in published


def test_user_tokens_verify_with_what_is_published_and_carry_exactly_their_claims(keys):
    claims = {"sub": "x", "aud": "authenticated", "exp": int(time.time()) + 60}
    token = keys.sign_user_token(claims)
    key = jwt.PyJWKSet.from_dict(keys.jwks_public())[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="authenticated") == claims
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, _first(StackKeys.generate()), algorithms=["ES256"], audience="authenticated")


def _first(keys: StackKeys) -> jwt.PyJWK:
    return jwt.PyJWK.from_dict(keys.jwks_public()["keys"][0])


def test_agent_tokens_verify_with_what_is_trusted(keys):
    token = jwt.encode({"sub": "x"}, keys.agent_secret, algorithm="HS256", headers={"kid": keys.agent_kid})
    trusted = jwt.PyJWKSet.from_dict(keys.jwks_trusted())
    assert jwt.decode(token, trusted[keys.agent_kid], algorithms=["HS256"]) == {"sub": "x"}
    assert {key["kid"] for key in keys.jwks_trusted()["keys"]} == {keys.user_kid, keys.agent_kid}


@pytest.mark.parametrize(("name", "role"), [("anon_jwt", "anon"), ("service_role_jwt", "service_role")])
def test_api_keys_stand_for_a_role_and_no_person(keys, name, role):
    claims = jwt.decode(getattr(keys, name), _first(keys), algorithms=["ES256"])
    assert claims["role"] == role
    assert "sub" not in claims


def test_keys_are_kept_in_a_file_that_only_its_owner_reads(keys, tmp_path):
    file = tmp_path / "keys.json"
    keys.save(file)
    assert StackKeys.load(file) == keys
    assert file.stat().st_mode & 0o777 == 0o600


def test_secrets_do_not_show_in_logs(keys):
    shown = repr(keys)
    assert keys.agent_secret not in shown
    assert keys.secret_key not in shown
    assert "PRIVATE KEY" not in shown
