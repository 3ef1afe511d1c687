"""A program that uses the page's tools over MCP, as assistants do."""

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
    """What `work` gives of a session, as an assistant has it."""

    async def within():
        where = f"{address}gradio_api/mcp/"
        async with streamable_http_client(where) as (receive, send, _), ClientSession(receive, send) as opened:
            await opened.initialize()
            return await work(opened)

    # in a thread of its own: the browser's driver has a loop in this one
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, within()).result()


def call(address, tool, **arguments):
    """Whether a tool could do what was asked, and the texts that it gave."""
    answer = session(address, lambda opened: opened.call_tool(tool, arguments))
    return not answer.isError, [each.text for each in answer.content]


def refused(address, tool="predict", **arguments):
    """The one sentence of a tool that could not do it."""
    done, (said,) = call(address, tool, **arguments)
    assert not done
    assert "root:" not in said
    return said


def as_data(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
