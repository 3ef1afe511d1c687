"""The whole page with keys alone: every flow of a visit, and the focus is never lost."""

import re

import pytest

from tests.support.browsing import DEFAULTS, Visitor

#: Whether the focused node matches a selector.
AT = "selector => document.activeElement.matches(selector)"
#: Whether the focused node is visible with a ring, which a picture's stage draws.
RINGED = """() => {
  const node = document.activeElement;
  const around = getComputedStyle(node.parentElement, '::after');
  const ringed = getComputedStyle(node).outlineStyle !== 'none' || around.borderStyle !== 'none';
  return node !== document.body && node.checkVisibility() && ringed;
}"""


class Typist(Visitor):
    """A visitor without a mouse, who may only press keys."""

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def reach(self, selector):
        """Press Tab until the focus is there; every stop on the way shows where the focus is."""
        for _ in range(120):
            if self.page.evaluate(AT, selector):
                return self
            self.press("Tab")
            if self.page.evaluate(AT, "body"):  # after the page's last stop
                self.press("Tab")
            assert self.page.evaluate(RINGED), self.focused()
        pytest.fail(f"Tab does not reach {selector}")

    def focused(self):
        return self.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")

    def is_at(self, selector):
        assert self.page.evaluate(AT, selector), self.focused()
        return self


@pytest.fixture(scope="module")
def typist(browser, address):
    one = Typist(browser, address)
    yield one
    assert one.complaints == []
    one.page.close()


def test_a_visit(typist):
    page = typist.page

    # an example, and the maps of another finding
    typist.reach("#cxr-add").press("Enter").reach("#cxr-add-pane [data-phantom=effusion]").press("Enter")
    typist.is_at("#cxr-add").wait(*DEFAULTS).measured()
    typist.reach(".list").press("Home", "ArrowDown").is_at(".list")
    assert page.get_attribute(".list .row >> nth=1", "aria-selected") == "true"
    typist.reach("#cxr-pin").press("Enter").is_at("#cxr-pin").press("Enter")

    # every popover: its first control follows, Escape returns to its button
    for name in ("methods", "view", "saving", "menu", *(f"more-{key}" for key in DEFAULTS)):
        typist.reach(f"#cxr-{name}").press("Enter", "Tab").is_at(f"#cxr-{name}-pane *")
        typist.press("Escape").is_at(f"#cxr-{name}")
    typist.reach("#cxr-facts").press("Enter")
    assert page.is_visible("#cxr-facts-pane")
    typist.press("Escape").is_at("#cxr-facts")

    # a box, and its result in a tab of the drawer
    typist.reach(".film .pencil").press("Enter").is_at(".film canvas")
    typist.press("Enter", *("ArrowRight", "ArrowDown") * 9, "Enter").is_at(".film canvas")
    typist.reach("[role=tab]").press("Home")
    for key in ("reliable", "agree", "box", "randomise", "grid"):
        typist.is_at(f"#cxr-tab-{key}")
        if page.get_attribute(f"#cxr-tab-{key}", "aria-selected") != "true":
            typist.press("Enter").is_at(f"#cxr-tab-{key}")
        assert page.is_visible(f"#cxr-panel-{key}")
        if key == "box":
            page.wait_for_selector("table:has-text('peak inside')")
        typist.press("ArrowRight")
    typist.press("End", "Enter")

    # settings of LIME, and its run with them
    typist.reach("#cxr-more-lime").press("Enter").reach("#cxr-lime-seed").press("Control+a", "7", "Tab")
    typist.reach("#cxr-more-lime-pane .again")
    with page.expect_request(lambda request: re.search(r"seed\W+7\b", request.post_data or "")):
        typist.press("Enter").is_at("#cxr-more-lime-pane .again")
    typist.press("Escape").is_at("#cxr-more-lime").wait("lime")

    # a report
    typist.reach("#cxr-saving").press("Enter").reach("#cxr-save-all")
    with page.expect_download() as waiting:
        typist.press("Enter")
    assert waiting.value.suggested_filename.endswith(".zip")
    typist.press("Escape").is_at("#cxr-saving")

    # two maps across a divider, the next film, the list of keys
    typist.reach("#cxr-wipe").press("Enter").is_at("#cxr-wipe")
    assert page.is_visible(".card.wipe")
    typist.press("Enter")
    typist.reach("#cxr-add").press("Enter").reach("#cxr-add-pane [data-phantom=normal]").press("Enter")
    page.wait_for_selector(".filmname b:text-is('Normal')")
    typist.reach(".steps button:not([disabled])").press("Enter").is_at(".steps button")
    page.wait_for_selector(".filmname b:text-is('Effusion')")
    typist.reach(".strip .thumb:last-child").press("Enter").is_at(".strip .thumb[aria-pressed=true]")
    typist.press("?").press("Escape")
    assert not page.is_visible("dialog.keys")

    # a guess before the answer
    typist.reach("#cxr-quiz").press("Enter").is_at("#cxr-quiz")
    typist.reach("#cxr-guess-any").press("Enter")
    page.wait_for_selector("#cxr-reveal:visible")
    typist.reach("#cxr-guess").press("ArrowDown")
    typist.reach("#cxr-reveal").press("Enter")
    assert page.inner_text(".said h3")
    typist.is_at(".quiz *")
