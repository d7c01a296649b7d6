"""httpx: HTTP/2 from Python."""

import asyncio
import hashlib
import ssl

import httpx
import pytest

from proxy import ACCESS_KEY, SECRET_KEY


def client(demo, **options):
    trust = ssl.create_default_context(cafile=demo.authority)
    return httpx.AsyncClient(http2=True, verify=trust, trust_env=False, timeout=60, **options)


def test_two_hundred_calls_share_one_connection(demo):
    async def calls():
        limits = httpx.Limits(max_connections=1)
        async with client(demo, limits=limits) as http:
            url = demo.url("api", "/v2.23/debug.ping")
            await http.get(url)
            answers = await asyncio.gather(*[http.post(url, json={"number": number}) for number in range(200)])
        assert {answer.http_version for answer in answers} == {"HTTP/2"}
        assert [answer.json()["data"]["number"] for answer in answers] == list(range(200))
        return {answer.headers["x-request-id"] for answer in answers}

    records = demo.records(200, request_id=asyncio.run(calls()), protocol="HTTP/2.0")
    assert len({record["connection"] for record in records}) == 1


def test_the_three_names_are_told_apart_over_http2(demo):
    async def ask():
        async with client(demo) as http:
            return [await http.get(demo.url(service, path)) for service, path in
                    [("app", "/version.json"), ("api", "/debug.ping"), ("files", "/")]]

    app, api, files = asyncio.run(ask())
    assert app.json()["version"] and api.json()["data"]["msg"] == "ClearML server" and files.text == "OK"


@pytest.mark.parametrize("length_known", [True, False])
def test_a_large_upload_over_http2_comes_back(demo, large_file, length_known):
    path, digest = large_file

    async def there_and_back():
        async with client(demo) as http:
            login = await http.get(demo.url("api", "/auth.login"), auth=(ACCESS_KEY, SECRET_KEY))
            bearer = {"Authorization": f"Bearer {login.json()['data']['token']}"}
            head, tail = b'--b\r\nContent-Disposition: form-data; name="httpx/l.bin"; filename="l"\r\n\r\n', b"\r\n--b--\r\n"

            async def body():
                yield head
                with path.open("rb") as file:
                    while block := file.read(1 << 20):
                        yield block
                yield tail

            headers = {**bearer, "Content-Type": "multipart/form-data; boundary=b"}
            if length_known:
                headers["Content-Length"] = str(len(head) + path.stat().st_size + len(tail))
            stored = await http.post(demo.url("files"), content=body(), headers=headers)
            assert (stored.status_code, stored.json()) == (200, ["httpx/l.bin"])
            found = hashlib.sha256()
            async with http.stream("GET", demo.url("files", "/httpx/l.bin"), headers=bearer) as answer:
                assert answer.headers["Content-Length"] == str(path.stat().st_size)
                async for block in answer.aiter_bytes():
                    found.update(block)
            return found.hexdigest()

    assert asyncio.run(there_and_back()) == digest
