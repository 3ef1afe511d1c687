"""Tools over MCP, where gradio has none that fit."""

from cxr_demo.web import mcp


def test_without_mcp_nothing_is_asked_of_gradio(monkeypatch):
    monkeypatch.setattr(mcp, "find_spec", lambda name: None)
    assert mcp.offer(None) == {}


def test_a_version_of_mcp_that_does_not_fit_is_said_and_no_more(monkeypatch, caplog):
    def unknown(page):
        raise AttributeError("Server")

    monkeypatch.setattr(mcp, "find_spec", lambda name: name)
    monkeypatch.setattr(mcp, "Tools", unknown)
    assert mcp.offer(None) == {}
    assert "no tools over MCP" in caplog.text
