"""A page behind a proxy, in a real browser."""

import pytest

from cxr_demo.films import phantom
from tests.support import proxy


@pytest.fixture
def proxied(tmp_path):
    with proxy.proxied(tmp_path) as address:
        yield address


def test_behind_a_proxy_with_a_path_the_browser_finds_everything(proxied, tmp_path, browser):
    from tests.support import browsing

    film = tmp_path / "film.png"
    film.write_bytes(phantom.png("effusion", 256))
    one = browsing.Visitor(browser, f"{proxied}/").drop(film).wait("gradcam", "lime", "occlusion")
    assert {url for url in one.requests if not url.startswith(proxied)} == set()
    assert one.complaints == []
    one.page.close()
