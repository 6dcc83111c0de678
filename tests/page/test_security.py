"""Security of the page: allowed clients and requests, and the security headers of every answer."""

import pytest

ACT = {"batch": "somebody", "acts": [{"i": 0, "act": "keep"}]}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", "10.0.0.1", "", "[::1", "localhost@evil.example:x"],
)
def test_a_foreign_host_name_is_refused(page, host):
    assert page.get("/api/run", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "localhost:5173", "[::1]:8765"])
def test_the_names_of_this_machine_are_known(page, host):
    assert page.get("/api/classes", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Length": str(1 << 40)}, 413),
        ({"Content-Length": str((32 << 20) + 1)}, 413),
        ({"Content-Length": "many"}, 413),
        ({"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_only_the_page_itself_may_change_anything(page, headers, status):
    assert page.post("/api/decisions", json=ACT, headers=headers).status_code == status
    assert page.get("/api/item/0").json()["state"] == ("keep" if status == 200 else "open")


def test_a_body_without_a_length_is_limited(page, monkeypatch):
    monkeypatch.setattr("labelsieve.page.server.BODY", 1000)
    answer = page.post(
        "/api/decisions", content=(b"x" * 100 for _ in range(20)), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("content", [b"{", b"[]", b"[" * 100_000, b'"x"', b"\xff\xfe"])
def test_a_body_that_is_not_an_object_is_refused(page, content):
    answer = page.post("/api/undo", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/run", "/", "/assets/none", "/nothing", "/thumb/0.webp", "/api/item/9999"])
def test_every_answer_forbids_scripts_from_elsewhere(page, path):
    headers = page.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../index.html",
        "/assets/..%2f..%2fserver.py",
        "/assets/%2e%2e/server.py",
        "/assets//etc/passwd",
        "/assets/..\\server.py",
    ],
)
def test_no_path_of_the_client_touches_the_disk(page, path):
    assert page.get(path).status_code == 404


def test_addresses_other_than_loopback_need_the_token(serve):
    client = serve(host="0.0.0.0", token="secret-token")
    assert client.get("/api/run").status_code == 401 and client.get("/").status_code == 401
    assert client.get("/api/run", headers={"X-Token": "wrong"}).status_code == 401
    assert client.get("/api/run?token=wrong").status_code == 401
    assert client.get("/api/run", headers={"X-Token": "secret-token"}).status_code == 200
    first = client.get("/grid?given=cat&token=secret-token", follow_redirects=False)
    assert first.status_code == 303 and first.headers["location"] == "/grid?given=cat"
    assert "HttpOnly" in first.headers["set-cookie"] and "samesite=strict" in first.headers["set-cookie"].lower()
    assert client.get("/api/run").status_code == 200  # with the cookie
    assert client.get("/api/run", headers={"Host": "192.168.1.5:8765"}).status_code == 200
    assert client.get("/api/run", headers={"Host": "evil.example"}).status_code == 403


def test_no_cookie_is_set_for_a_foreign_host_name(serve):
    client = serve(host="0.0.0.0", token="secret-token")
    answer = client.get("/?token=secret-token", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_a_token_is_not_sent_on_to_another_site(serve):
    client = serve(host="0.0.0.0", token="secret-token")
    answer = client.get("http://127.0.0.1:8765//evil.example/?token=secret-token", follow_redirects=False)
    assert not answer.headers["location"].startswith("//")


def test_names_of_reviewers_are_text(page):
    message = {"X-Reviewer": "%E5%BC%A0%20%3Cb%3E%0A" + "x" * 200}
    page.post("/api/decisions", json=ACT, headers=message)
    [row] = page.get("/api/item/0").json()["history"]
    assert row["reviewer"].startswith("张 <b>x") and len(row["reviewer"]) == 80


CHANGES = ["/api/decisions", "/api/undo", "/api/redo", "/api/rerank", "/api/sample"]


FORMS = [
    None,
    "text/plain",
    "text/plain; application/json",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
]


def test_forms_of_other_sites_change_nothing(page):
    body = b'{"batch": "somebody", "acts": [{"i": 0, "act": "keep"}], "name": "drawn", "size": 5}'
    for path in CHANGES:
        for kind in FORMS:
            answer = page.post(path, content=body, headers={} if kind is None else {"Content-Type": kind})
            assert answer.status_code == 415 and "application/json" in answer.json()["error"], (path, kind)
    assert page.get("/api/item/0").json()["state"] == "open" and page.get("/api/run").json()["samples"] == []


def test_every_change_is_a_post_of_the_page_itself(page):
    for path in CHANGES:
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert page.request(method, path).status_code == 405
        assert page.post(path, json=ACT, headers={"Origin": "http://evil.example"}).status_code == 403
    assert page.get("/api/item/0").json()["state"] == "open"


def test_json_content_types_may_have_parameters(page):
    for n, kind in enumerate(["application/json; charset=utf-8", "APPLICATION/JSON", "application/json ;x"]):
        body = b'{"batch": "somebody %d", "acts": [{"i": 0, "act": "keep"}]}' % n
        assert page.post("/api/decisions", content=body, headers={"Content-Type": kind}).status_code == 200


def test_a_body_that_is_not_an_object_changes_nothing(page):
    for path in CHANGES:
        for content in (b"keep", b"[1]", b"null", b"\xff"):
            answer = page.post(path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400 and "JSON" in answer.json()["error"], (path, content)


def test_answers_are_not_kept_by_caches_unless_they_may(page):
    for path in ("/api/run", "/api/item/0", "/thumb/99.webp", "/nothing"):
        assert page.get(path).headers["cache-control"] == "no-store"


def test_only_this_machine_is_loopback():
    from labelsieve.page.security import is_loopback

    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "", "localhost.example", "example", "1270.0.0.1"]))


def test_two_servers_on_one_host_do_not_share_a_cookie(serve):
    names = set()
    for token in ("one-token", "another-token"):
        client = serve(host="0.0.0.0", token=token)
        names.add(client.get(f"/?token={token}", follow_redirects=False).headers["set-cookie"].partition("=")[0])
    assert len(names) == 2


def test_a_token_does_not_replace_the_other_checks(serve):
    client = serve(host="0.0.0.0", token="secret-token")
    known = {"X-Token": "secret-token"}
    assert client.post("/api/decisions", json=ACT, headers=known | {"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/api/decisions", json=ACT).status_code == 401
    assert client.post("/api/decisions?token=secret-token", json=ACT).status_code == 401  # only a first page may
    assert client.post("/api/decisions", json=ACT, headers=known).status_code == 200
