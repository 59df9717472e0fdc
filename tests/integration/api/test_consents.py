"""Consent over HTTP: who may say it, and what follows."""

import pytest

from tests.integration.api.conftest import asking

PATH = "/api/ai/consents"


def said(somebody, **body):
    return somebody.http.post(PATH, json={"kind": "processing", "granted": False} | body)


def test_who_takes_back_processing_is_left_alone(ada):
    answer = said(ada, clientId=ada.client_id, reason="By phone.")
    assert answer.status_code == 201, answer.text
    refused = ada.http.post("/api/ai/drafts/generate", json=asking(ada))
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_withdrawn")
    assert said(ada, clientId=ada.client_id, granted=True).status_code == 201
    listed = ada.http.get(PATH, params={"clientId": ada.client_id}).json()
    assert [(item["granted"], item["reason"], item["recordedBy"]) for item in listed] == [
        (True, None, str(ada.person.id)),
        (False, "By phone.", str(ada.person.id)),
    ]
    assert ada.http.post("/api/ai/drafts/generate", json=asking(ada)).status_code == 201


def test_one_speaks_for_oneself_and_an_admin_for_all(ada, bob, admin):
    mine = {"userId": str(ada.person.id), "kind": "training", "granted": True}
    assert said(ada, **mine).status_code == 201
    others = said(bob, **mine)
    assert (others.status_code, others.json()["code"]) == (403, "not_an_admin")
    assert said(admin, **mine).status_code == 201
    assert len(admin.http.get(PATH, params={"userId": str(ada.person.id)}).json()) == 2
    assert bob.http.get(PATH, params={"userId": str(ada.person.id)}).status_code == 403


@pytest.mark.parametrize("read", [True, False])
def test_a_client_is_its_owners(ada, bob, anonymous, api, read):
    with api.client() as nobody:
        answers = [
            http.get(PATH, params={"clientId": ada.client_id})
            if read
            else http.post(PATH, json={"kind": "email", "granted": False, "clientId": ada.client_id})
            for http in (bob.http, anonymous, nobody)
        ]
    assert [answer.status_code for answer in answers] == [404, 403, 401]
    assert ada.http.get(PATH, params={"clientId": ada.client_id}).json() == []


def test_one_subject_is_named(ada):
    both = {"clientId": ada.client_id, "userId": str(ada.person.id)}
    for answer in (said(ada), said(ada, **both), ada.http.get(PATH), ada.http.get(PATH, params=both)):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
