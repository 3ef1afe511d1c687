"""HTTP client that sends a served page the events of its viewer, without a browser."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Generator


class Refused(Exception):
    """The server rejected an event or reported that it failed."""


class Visitor:
    """One session of the page at `address`; `timeout` is in seconds, for each request.

    Events have the names of the page's configuration and carry a payload for JSON, as the viewer sends it.
    """

    def __init__(self, address: str, timeout: float = 120.0) -> None:
        self.address = address.rstrip("/")
        self.session = uuid.uuid4().hex[:11]
        self._client = httpx.Client(timeout=timeout)
        config = self._client.get(f"{self.address}/config").json()
        self._events = {target[1]: each["id"] for each in config["dependencies"] for target in each["targets"]}

    def close(self) -> None:
        """Close the connections; open streams end, as when a browser tab is closed."""
        self._client.close()

    def upload(self, name: str, data: bytes) -> dict[str, str]:
        """Upload a file; the `source` that names the film in events. httpx.HTTPStatusError if the server refuses it."""
        answer = self._client.post(f"{self.address}/gradio_api/upload", files={"files": (name, data)})
        answer.raise_for_status()
        return {"kind": "file", "path": answer.json()[0]}

    def ask(self, *events: tuple[str, Any]) -> Generator[tuple[str, dict[str, Any]]]:
        """Send events together and yield the event's name with each answer, in the order of arrival.

        Of a streamed answer only the first and the last part are yielded: the server sends those between as
        differences. Closing the generator leaves all events. Refused if the server rejects an event or reports a
        failure.
        """
        names = {self._join(event, told): event for event, told in events}
        with closing(self._stream()) as messages:
            for message in messages:
                name, output = names.get(message.get("event_id", "")), message.get("output") or {}
                if name is None or message["msg"] not in ("process_generating", "process_completed"):
                    continue  # about another event, or only its place in the queue
                if message.get("success") is False:
                    raise Refused(f"{name}: {output}")
                answer = (output.get("data") or [None])[0]
                if isinstance(answer, dict):
                    yield name, answer
                if message["msg"] == "process_completed":
                    del names[message["event_id"]]
                    if not names:
                        return

    def answer(self, event: str, told: Any) -> dict[str, Any]:
        """The last answer to one event; Refused as in `ask`."""
        *_, (_, last) = self.ask((event, told))
        return last

    def tell(self, event: str, told: Any) -> None:
        """Send an event without waiting for its answer; Refused if the server rejects it."""
        self._join(event, told)

    def _join(self, event: str, told: Any) -> str:
        """Put an event into the server's queue; its id."""
        body = {"data": [], "event_data": told, "session_hash": self.session, "fn_index": self._events[event]}
        joined = self._client.post(f"{self.address}/gradio_api/queue/join", json=body)
        if joined.status_code != httpx.codes.OK:
            raise Refused(f"{event}: {joined.text}")
        event_id: str = joined.json()["event_id"]
        return event_id

    def _stream(self) -> Generator[dict[str, Any]]:
        """Messages about all events of this session, until the generator is closed."""
        where, params = f"{self.address}/gradio_api/queue/data", {"session_hash": self.session}
        with self._client.stream("GET", where, params=params) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))
