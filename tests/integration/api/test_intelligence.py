"""A client's picture over HTTP."""


def test_it_is_read_kept_and_refreshed(ada, sql):
    path = f"/api/ai/intelligence/{ada.client_id}"
    first = ada.http.get(path)
    assert first.status_code == 200, first.text
    told = first.json()
    assert told["clientId"] == ada.client_id
    assert len(told["communication"]["weeks"]) == 12
    assert told["communication"]["byType"] == {"email": 1}
    assert told["engagement"] == {"insufficientData": "activities in 12 weeks: 1 of at least 3"}
    assert [risk["code"] for risk in told["risks"]] == ["unanswered_message"]
    assert ada.http.get(path).json() == told
    assert ada.http.post(f"{path}/refresh").json()["computedAt"] > told["computedAt"]
    sql.execute("insert into public.activities (client_id, type) values (%s, 'note')", [ada.client_id])
    assert ada.http.get(path).json()["communication"]["byType"] == {"email": 1, "note": 1}


def test_it_is_for_who_sees_the_client(ada, strangers):
    for method, path in (("GET", ""), ("POST", "/refresh")):
        answers = [one.request(method, f"/api/ai/intelligence/{ada.client_id}{path}") for one in strangers]
        assert [answer.status_code for answer in answers] == [404, 200, 403, 401]
