import pytest

from agent_service.errors import ConfigurationError
from agent_service.settings import WORKER_FIELDS, Settings, load_settings

NAMES = [name.upper() for name in Settings.model_fields] + ["SUPABASE_ANON_KEY"]


@pytest.fixture(autouse=True)
def _empty(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def faults_of(required=()):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(required)
    return {fault.field: fault for fault in caught.value.faults}


def test_every_missing_setting_is_named_at_once_with_what_to_do():
    faults = faults_of(WORKER_FIELDS)
    assert set(faults) == {"SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "AGENT_WORKER_KEY"}
    assert "mint_worker_key" in faults["AGENT_WORKER_KEY"].mend


def test_faults_of_all_kinds_come_together(monkeypatch, jwt):
    monkeypatch.setenv("SUPABASE_URL", "abc.supabase.example")
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "sb_secret_123")
    monkeypatch.setenv("AGENT_WORKER_KEY", jwt(role="agent_worker", exp=1))
    monkeypatch.setenv("SMTP_URL", "http://mail.example")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user@host:notaport/db")
    faults = faults_of(WORKER_FIELDS)
    assert set(faults) == {"SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "AGENT_WORKER_KEY", "SMTP_URL", "DATABASE_URL"}
    assert faults["AGENT_WORKER_KEY"].problem == "has expired."


@pytest.mark.parametrize("key", ["sb_secret_abc", "service_role"])
def test_a_key_that_passes_every_rule_is_refused(monkeypatch, jwt, key):
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", jwt(role="service_role") if key == "service_role" else key)
    assert "secret key" in faults_of()["SUPABASE_PUBLISHABLE_KEY"].problem


def test_a_users_token_is_no_worker_key(monkeypatch, jwt):
    monkeypatch.setenv("AGENT_WORKER_KEY", jwt(role="authenticated", exp=4_000_000_000))
    assert "AGENT_WORKER_KEY" in faults_of()


def test_the_legacy_name_of_the_key_is_read_and_the_new_one_wins(monkeypatch):
    monkeypatch.setenv("SUPABASE_ANON_KEY", "old")
    assert load_settings().supabase_publishable_key.get_secret_value() == "old"
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "new")
    assert load_settings().supabase_publishable_key.get_secret_value() == "new"


def test_no_secret_is_printed(monkeypatch, jwt):
    worker = jwt(role="agent_worker", exp=4_000_000_000)
    secrets = {
        "AGENT_WORKER_KEY": worker,
        "ANTHROPIC_API_KEY": "sk-hidden",
        "DATABASE_URL": "postgresql://postgres:hidden@host/db",
        "AGENT_LISTEN_URL": "postgresql://agent_listener:hidden@host/db",
        "SMTP_URL": "smtp://me:hidden@host:587",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert "hidden" not in shown
    assert worker not in shown


def test_a_faults_text_does_not_quote_the_value(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hidden@host/db")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hidden" not in str(caught.value)


def test_an_empty_variable_counts_as_missing(monkeypatch):
    monkeypatch.setenv("SUPABASE_URL", "")
    assert "SUPABASE_URL" in faults_of(["supabase_url"])
