"""Calling functions, and what functions may say about the answer."""

from __future__ import annotations

from ._vector import EXACT, NO_MATCH, OBJECT, Vector, error

CALLS = [
    Vector("POST /rpc/add_numbers", 200, "Functions: named arguments, a scalar is bare JSON", 5, send={"a": 2, "b": 3}),
    Vector("POST /rpc/add_numbers", 200, "Functions: an argument with a default may be left out", 3, send={"a": 2}),
    Vector("GET /rpc/add_numbers?a=2&b=3", 200, "Functions: GET takes arguments from the query", 5),
    Vector("GET /rpc/add_numbers?a=9&a=2", 200, "Functions: the last of a repeated argument counts", 3),
    Vector(
        "HEAD /rpc/add_numbers?a=2",
        200,
        "Functions: HEAD",
        b"",
        headers={"content-type": "application/json; charset=utf-8"},
    ),
    Vector("POST /rpc/do_nothing", 204, "Functions: returns void is 204", b"", send={}, headers={"content-type": None}),
    Vector("POST /rpc/do_nothing", 204, "Functions: an empty body is {}", b"", send=b""),
    Vector(
        "POST /rpc/all_items?select=id&id=gt.1&order=id.desc&limit=2",
        200,
        "Functions: a set is filtered, ordered and cut like a table",
        [{"id": 4}, {"id": 3}],
        send={},
        headers={"content-range": "0-1/*"},
    ),
    Vector(
        "GET /rpc/all_items?select=id,data->>s&id=eq.1",
        200,
        "Functions: GET filters by operator",
        [{"id": 1, "s": "x"}],
    ),
    Vector(
        "GET /rpc/all_items?select=tags->0&id=eq.1",
        200,
        "Functions: columns of a table's rows keep their types",
        [{"tags": "red"}],
    ),
    Vector(
        "GET /rpc/all_items?select=id&limit=1",
        206,
        "Functions: a set is counted",
        [{"id": 1}],
        sent_headers=EXACT,
        headers={"content-range": "0-0/4"},
    ),
    Vector(
        "GET /rpc/all_items?id=eq.1&select=id",
        200,
        "Functions: a set as a single object",
        {"id": 1},
        sent_headers=OBJECT,
    ),
    Vector(
        "GET /rpc/all_items?select=id",
        406,
        "Functions: a set of several is PGRST116",
        sent_headers=OBJECT,
        error=error("PGRST116"),
    ),
    Vector("POST /rpc/one_item?select=id", 200, "Functions: a row is an object", {"id": 2}, send={"p_id": 2}),
    Vector("POST /rpc/one_item", 200, "Functions: a null row is null", None, send={"p_id": 99}),
    Vector(
        "POST /rpc/item_labels",
        200,
        "Functions: a set of scalars is an array of them",
        ["alpha", "beta", "gamma", 'Delta, (the "4th")'],
        send={},
    ),
    Vector(
        "POST /rpc/item_table?order=number.desc",
        200,
        "Functions: RETURNS TABLE is an array",
        [{"number": 4, "label": 'Delta, (the "4th")'}, {"number": 3, "label": "gamma"}],
        send={"p_min": 3},
    ),
    Vector("GET /rpc/with_out?p_a=2", 200, "Functions: OUT parameters are an object", {"doubled": 4, "tripled": 6}),
    Vector(
        "POST /rpc/make_item?select=name",
        200,
        "Functions: a volatile one may write",
        {"name": "made"},
        send={"p_name": "made"},
        then=("/items?select=name&id=gt.4", [{"name": "made"}]),
    ),
    Vector("GET /rpc/make_item?p_name=made", 405, "Functions: a write by GET is 25006, 405", error=error("25006")),
    Vector("POST /rpc/is_read_only", 200, "Functions: POST to a stable one runs read-only", "on", send={}),
    Vector("POST /rpc/is_read_only_volatile", 200, "Functions: POST to a volatile one does not", "off", send={}),
    Vector("GET /rpc/is_read_only_volatile", 200, "Functions: GET always runs read-only", "on"),
    Vector(
        "POST /rpc/whole",
        200,
        "Functions: a single unnamed JSON parameter takes the body",
        {"x": [1, 2]},
        send={"x": [1, 2]},
    ),
    Vector("GET /rpc/total?amounts=1&amounts=2&amounts=3", 200, "Functions: a repeated variadic argument", 6),
    Vector("POST /rpc/total", 200, "Functions: a variadic argument as an array", 6, send={"amounts": [1, 2, 3]}),
    Vector(
        "POST /rpc/echo_json",
        200,
        "Functions: JSON arguments arrive as they are",
        {"deep": [{"x": None}]},
        send={"p": {"deep": [{"x": None}]}},
    ),
    Vector(
        "GET /rpc/echo_list?p={a,b c}", 200, "Functions: an array argument by GET is an array literal", ["a", "b c"]
    ),
    Vector(
        "POST /rpc/echo_list",
        200,
        "Functions: an array argument by POST is JSON",
        ["a", 'b "c"'],
        send={"p": ["a", 'b "c"']},
    ),
    Vector(
        "GET /rpc/echo_text?p=plain.text", 200, "Functions: a value that is no operation is an argument", "plain.text"
    ),
    Vector(
        "GET /rpc/echo_text?p=eq.5", 404, "Functions: a value that is an operation is a filter", error=error("PGRST202")
    ),
    Vector("GET /rpc/echo_text?p=in.x", 400, "Functions: half an operation is PGRST100", error=error("PGRST100")),
    Vector(
        "POST /rpc/make_two",
        400,
        "Max-affected: a function's rows count",
        send={},
        sent_headers={"prefer": "handling=strict, max-affected=1"},
        error=error("PGRST124"),
        then=("/items?select=id&id=gt.4", []),
    ),
    Vector(
        "POST /rpc/make_item",
        400,
        "Max-affected: a function must return a set, or PGRST128",
        send={"p_name": "x"},
        sent_headers={"prefer": "handling=strict, max-affected=1"},
        error=error("PGRST128"),
    ),
    Vector(
        "POST /rpc/pick",
        300,
        "Functions: two candidates are PGRST203",
        send={"a": 1},
        error=error(
            "PGRST203",
            "Could not choose the best candidate function between: public.pick(a => integer), public.pick(a => text)",
            hint="Try renaming the parameters or the function itself in the database "
            "so function overloading can be resolved",
        ),
    ),
    Vector(
        "POST /rpc/add_numbers",
        404,
        "Functions: wrong names are PGRST202, with what was searched",
        send={"a": 1, "z": 2},
        error=error(
            "PGRST202",
            "Could not find the function public.add_numbers(a, z) in the schema cache",
            details="Searched for the function public.add_numbers with parameters a, z "
            f"or with a single unnamed json/jsonb parameter{NO_MATCH}",
            hint="Perhaps you meant to call the function public.add_numbers(a, b)",
        ),
    ),
    Vector(
        "GET /rpc/add_numberz",
        404,
        "Functions: an unknown name is PGRST202 with the nearest one",
        error=error(
            "PGRST202",
            "Could not find the function public.add_numberz without parameters in the schema cache",
            details=f"Searched for the function public.add_numberz without parameters{NO_MATCH}",
            hint="Perhaps you meant to call the function public.add_numbers",
        ),
    ),
    Vector(
        "GET /rpc/zzzzzzzz?q=1",
        404,
        "Functions: nothing near is no hint",
        error=error(
            "PGRST202",
            details=f"Searched for the function public.zzzzzzzz with parameter q{NO_MATCH}",
            hint=None,
        ),
    ),
    Vector(
        "DELETE /rpc/add_numbers",
        405,
        "Functions: other methods are PGRST101",
        error=error("PGRST101", "Cannot use the DELETE method on RPC"),
    ),
    Vector(
        "POST /rpc/answer",
        200,
        "Response settings: headers are set",
        "body",
        send={"p_status": "", "p_headers": '[{"X-One": "1"}, {"Cache-Control": "no-store"}]'},
        headers={"x-one": "1", "cache-control": "no-store"},
    ),
    Vector("POST /rpc/answer", 418, "Response settings: the status is set", "body", send={"p_status": "418"}),
    Vector(
        "POST /rpc/answer",
        500,
        "Response settings: a bad status is PGRST112",
        send={"p_status": "teapot"},
        error=error("PGRST112", "response.status guc must be a valid status code"),
    ),
    Vector(
        "POST /rpc/answer",
        500,
        "Response settings: bad headers are PGRST111",
        send={"p_status": "", "p_headers": '{"a": "b"}'},
        error=error("PGRST111"),
    ),
]
