"""The endpoints `/predict` and `/explain` as MCP tools for assistants, if `gradio[mcp]` is installed.

Gradio's own MCP server calls endpoints through its Python client, which reads any local file that an argument names,
sends analytics, and blocks threads. This one calls the page as a browser does.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from contextlib import aclosing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

import httpx
from gradio.mcp import GradioMCPServer
from gradio.processing_utils import save_base64_to_cache
from gradio_client.utils import encode_file_path, is_file_obj_with_meta, traverse

from cxr_demo import messages
from cxr_demo.errors import BadSetting, CxrError, TooBusy, UnreadableImage
from cxr_demo.web import uploads
from cxr_demo.web.requests import sentence

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    import gradio as gr

log = logging.getLogger(__name__)

#: Gradio's environment variable that switches MCP; here MCP is on unless the value is false.
SWITCH = "GRADIO_MCP_SERVER"
#: The part of a file's URL between the page's address and the path of the uploaded file.
GIVEN = "/gradio_api/file="
#: Headers of an assistant's request that concern its transport, not its sender; they are not passed on.
OWN = {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}


def offer(page: gr.Blocks) -> dict[str, Any]:
    """Attach an MCP server to the page; returns keyword arguments for its app, or none if MCP is unavailable or off."""
    if find_spec("mcp") is None or os.environ.get(SWITCH, "").lower() == "false":
        return {}
    try:
        server = Tools(page)
    except Exception as error:  # an incompatible version of mcp must not stop the page
        log.warning("There are no tools over MCP: %s", error)
        return {}
    logging.getLogger("mcp").setLevel(logging.ERROR)  # at lower levels it logs the contents of requests
    page.mcp_server_obj, page.mcp_server = server, True
    return {"lifespan": server.lifespan}


class Tools(GradioMCPServer):  # type: ignore[misc]
    """Gradio's MCP server of a page's public endpoints, with calls that go through the page's queue."""

    def get_input_schema(
        self, tool_name: str, parameters: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], list[list[str | int]]]:
        """A tool's JSON schema and the positions of films in it; the schema describes how to send a film."""
        schema, positions = super().get_input_schema(tool_name, parameters)
        for (name,) in positions:
            schema["properties"][name] = {"type": "string", "description": messages.TOOL_FILM}
        return schema, positions

    def convert_strings_to_filedata(
        self, value: dict[str, Any], filedata_positions: list[list[str | int]]
    ) -> dict[str, Any]:
        """Convert a call's arguments: films become paths of uploaded files; BadSetting for a file elsewhere."""
        traverse(value, _no_file, lambda given: isinstance(given, dict) and "meta" in given)
        return {name: _sent_film(given) if [name] in filedata_positions else given for name, given in value.items()}

    def _get_or_create_client(self) -> Tools:
        return self

    def submit(self, *data: Any, api_name: str, headers: Mapping[str, str]) -> AsyncGenerator[dict[str, Any]]:
        """The messages of the page's queue about a call, up to its result; closing the generator leaves the queue."""
        function = self.get_block_fn_from_endpoint_name(api_name)
        kept = {name: value for name, value in headers.items() if name not in OWN}
        return _said(str(self.local_url), function._id, data, kept)

    async def _execute_tool_without_progress(self, job: AsyncGenerator[dict[str, Any]]) -> list[Any]:
        return await self._execute_tool_with_progress(job, None)

    async def _execute_tool_with_progress(
        self, job: AsyncGenerator[dict[str, Any]], progress_token: str | int | None
    ) -> list[Any]:
        """Return the values of a call's result, and send progress notifications if the caller gave a token.

        CxrError if the call fails.
        """
        step = 0
        async with aclosing(job) as events:
            async for message in events:
                if message["msg"] == "process_completed":
                    if not message["success"]:
                        raise CxrError(message["output"].get("error") or messages.FAILED)
                    values: list[Any] = message["output"]["data"]
                    return values
                if progress_token is not None:
                    context, step = self.mcp_server.request_context, step + 1
                    await context.session.send_progress_notification(
                        progress_token, step, message=_stands(message), related_request_id=str(context.request_id)
                    )
        raise CxrError(messages.FAILED)

    def postprocess_output_data(self, data: list[Any], root_url: str) -> list[Any]:
        """Convert each value to a text: JSON, or the URL of a file."""
        given = [
            f"{root_url}{GIVEN}{encode_file_path(value['path'])}" if is_file_obj_with_meta(value) else json.dumps(value)
            for value in data
        ]
        return [self.types.TextContent(type="text", text=each) for each in given]


async def _said(
    page: str, function: int, data: tuple[Any, ...], headers: Mapping[str, str]
) -> AsyncGenerator[dict[str, Any]]:
    """Yield the messages of the page's queue about one call, made in a new session; TooBusy if the queue refuses it."""
    session = uuid.uuid4().hex
    asking = httpx.AsyncClient(base_url=page, headers=headers, timeout=None, verify=False, trust_env=False)
    async with asking:
        body = {"data": data, "fn_index": function, "session_hash": session}
        joined = await asking.post("gradio_api/queue/join", json=body)
        if joined.is_error:
            raise TooBusy(messages.REFUSED)
        async with asking.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))


def _stands(message: Mapping[str, Any]) -> str:
    ahead = message.get("rank")
    return "At work." if ahead is None else f"{ahead} calls are before this one."


def _no_file(_: Any) -> NoReturn:
    raise BadSetting("A file goes where the film does, and nowhere else.")


def _sent_film(given: Any) -> Any:
    """Convert a film argument to the record that an endpoint takes; the endpoint checks the path.

    UnreadableImage for invalid base64, and for a URL of another server: nothing is fetched.
    """
    if not isinstance(given, str):
        return given
    if given.startswith("data:"):
        try:
            return {"path": save_base64_to_cache(given, str(uploads.claim()))}
        except ValueError:
            raise UnreadableImage("This is no file in base64; please send the file again.") from None
        except OSError as error:
            raise CxrError(sentence(error)) from None
    _, marked, path = given.partition(GIVEN)
    if not marked and "://" in given:
        raise UnreadableImage(messages.NOT_FETCHED)
    return {"path": unquote(path) if marked else given}
