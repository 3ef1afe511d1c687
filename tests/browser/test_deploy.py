"""A page behind a proxy, in a real browser."""

import http.server
import threading

import httpx
import pytest

from cxr_demo.films import phantom
from tests.support.serving import served


@pytest.fixture
def proxied(tmp_path):
    """A page under /films of another server, which passes requests on without that part, as nginx is told to."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def _pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix("/films")
            if path == self.path:
                self.send_response(204)  # what a browser asks every server for, e.g. favicon.ico
                self.end_headers()
                return
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "accept-encoding")}
            with httpx.stream(
                self.command, page.rstrip("/") + path, content=body, headers=headers, timeout=60
            ) as answer:
                self.send_response(answer.status_code)
                for name in ("content-type", "location", "content-length", "content-encoding"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.end_headers()
                for part in answer.iter_raw():
                    self.wfile.write(part)
                    self.wfile.flush()

        do_GET = do_POST = do_HEAD = _pass_on  # noqa: N815 - as http.server calls them

        def log_message(self, *_):
            pass

    with (
        served(tmp_path, GRADIO_ROOT_PATH="/films") as page,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/films"
        server.shutdown()


@pytest.mark.browser
def test_behind_a_proxy_with_a_path_the_browser_finds_everything(proxied, tmp_path, browser):
    from tests.support import browsing

    film = tmp_path / "film.png"
    film.write_bytes(phantom.png("effusion", 256))
    one = browsing.Visitor(browser, f"{proxied}/").drop(film).wait("gradcam", "lime", "occlusion")
    assert {url for url in one.requests if not url.startswith(proxied)} == set()
    assert one.complaints == []
    one.page.close()
