"""An MCP client that calls the page's tools, as assistants do."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from cxr_demo.films import phantom

pytest.importorskip("mcp", reason="gradio[mcp] is not installed")
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

FILM = phantom.png("normal", 256)


def session(address, work):
    """Await `work` on an initialised MCP session with the page, and return its value."""

    async def within():
        where = f"{address}gradio_api/mcp/"
        async with streamable_http_client(where) as (receive, send, _), ClientSession(receive, send) as opened:
            await opened.initialize()
            return await work(opened)

    # in another thread: the browser's driver runs an event loop in this one
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, within()).result()


def call(address, tool, **arguments):
    """Call a tool; returns whether it succeeded, and its texts."""
    answer = session(address, lambda opened: opened.call_tool(tool, arguments))
    return not answer.isError, [each.text for each in answer.content]


def refused(address, tool="predict", **arguments):
    """The single sentence with which a tool refuses a call."""
    done, (said,) = call(address, tool, **arguments)
    assert not done
    assert "root:" not in said
    return said


def as_data(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
