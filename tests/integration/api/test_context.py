"""Contexts: cached by version, never beyond what the caller may see."""

from concurrent.futures import ThreadPoolExecutor

import pytest


def get(somebody, client_id=None, **headers):
    return somebody.http.get(f"/api/ai/context/{client_id or somebody.client_id}", headers=headers)


def test_what_the_reader_has_is_not_sent_again(ada, sql):
    first = get(ada)
    assert first.status_code == 200
    assert first.headers["etag"] == f'"{first.json()["contextVersion"]}"'
    assert first.headers["cache-control"] == "private, no-cache"
    same = get(ada, **{"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    sql.execute("update public.clients set company = 'Moved on' where id = %s", [ada.client_id])
    changed = get(ada, **{"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["client"]["company"]) == (200, "Moved on")


def test_what_is_kept_is_given_to_nobody_else_and_not_beyond_their_rights(ada, bob, sql):
    assert get(ada).json() == get(ada).json()
    assert get(bob, ada.client_id).status_code == 404
    sql.execute("update public.clients set owner_id = %s where id = %s", [bob.person.id, ada.client_id])
    lost = get(ada)
    assert (lost.status_code, lost.json()["code"]) == (404, "client_not_found")
    assert get(bob, ada.client_id).status_code == 200


@pytest.fixture
def two_a_minute(sql):
    sql.execute("update public.ai_settings set contexts_per_minute = 2")
    yield
    sql.execute("update public.ai_settings set contexts_per_minute = 1000")


def test_what_is_sent_counts_and_what_is_not_does_not(ada, two_a_minute):
    etag = get(ada).headers["etag"]
    for _ in range(5):
        assert get(ada, **{"If-None-Match": etag}).status_code == 304
    assert get(ada).status_code == 200  # from memory, and yet handed out
    refused = get(ada)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert get(ada, **{"If-None-Match": etag}).status_code == 304


def test_a_context_that_is_pushed_out_while_it_is_asked_for_is_answered_all_the_same(ada, bob, api, monkeypatch):
    kept = api.services.contexts
    kept._kept.clear()
    monkeypatch.setattr(kept, "_room", len(get(ada).content) + 1000)  # for one of two
    kept._kept.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(get, [ada, bob] * 100)
        assert {answer.status_code for answer in answers} == {200}
    kept._kept.clear()
