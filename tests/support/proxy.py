"""A page behind a reverse proxy, configured like the nginx of docs/deploy.md."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.serving import patient, served


@contextlib.contextmanager
def proxied(folder: Path) -> Iterator[str]:
    """Serve a page under /films of a proxy that strips this prefix; yields the address."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def _pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix("/films")
            if path == self.path:
                self.send_response(204)  # a browser's own requests, e.g. favicon.ico
                self.end_headers()
                return
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "accept-encoding")}
            with patient.stream(self.command, page.rstrip("/") + path, content=body, headers=headers) as answer:
                self.send_response(answer.status_code)
                for name in ("content-type", "location", "content-length", "content-encoding"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.end_headers()
                for part in answer.iter_raw():
                    self.wfile.write(part)
                    self.wfile.flush()

        do_GET = do_POST = do_HEAD = _pass_on  # noqa: N815 - http.server looks for these names

        def log_message(self, *_):
            pass

    with (
        served(folder, GRADIO_ROOT_PATH="/films") as page,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/films"
        server.shutdown()
