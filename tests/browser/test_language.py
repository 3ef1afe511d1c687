"""The page in another language, in a real browser."""

import re

import pytest

from cxr_demo import messages
from cxr_demo.films import phantom
from tests.support.browsing import DEFAULTS, Visitor, new_page

OTHERS = sorted(code for code in messages.languages() if code != "en")

#: Puts what every sentence of a catalogue is said as in brackets, before the page reads its configuration.
BRACKETS = """code => {
  let kept;
  const marked = key => `\u27e6${key}\u27e7`;
  Object.defineProperty(window, 'gradio_config', {get: () => kept, set: config => {
    kept = config;
    for (const {props} of config.components) {
      const texts = props?.props?.about?.languages[code].texts ?? {};
      for (const [key, said] of Object.entries(texts)) texts[key] = typeof said === 'string' ? marked(key)
        : Object.fromEntries(Object.keys(said).map(form => [form, marked(key)]));
    }
  }});
}"""

#: Everything that is written or named on the page, but what is somebody's own words in English.
WRITTEN = """() => {
  const found = [];
  const both = NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT;
  const walker = document.createTreeWalker(document.querySelector('.cxr'), both);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (element.closest('[lang=en], code, #cxr-language, #cxr-model')) continue;
    if (node.nodeType === Node.TEXT_NODE) { found.push(node.textContent); continue; }
    for (const name of ['title', 'aria-label', 'placeholder', 'data-blank']) found.push(node.getAttribute(name) ?? '');
  }
  return found;
}"""
#: Names, numbers, units and keys, which no language changes.
NAMES = re.compile(
    r"Grad-CAM(\+\+)?|LIME|LayerCAM|Planted corners|Orange is top left\. Blue is bottom right\.|evidence per finding"
    r"|strength|\S*/(fourteen|one)\b|Tiny random network|arXiv:[\d.]+|doi:\S+|slic|quickshift|\b[a-z-]+\.(png|csv)\b"
    r"|\b(s|MB)\b|NIH ChestX-ray14|torchxrayvision|16747_3_1\.jpg.*|\b[fjkmnpwcsiW]\b|\bnone\b(?=$)"
)


ENGLISH, NORWEGIAN = "Save all with a report (zip)", "Lagre alt med rapport (zip)"


def test_a_browser_in_norwegian_gets_norwegian_and_may_choose_english(browser, address):
    for locale, name in (("nb-NO", NORWEGIAN), ("nn-NO", NORWEGIAN), ("de-DE", ENGLISH), ("en-GB", ENGLISH)):
        page = new_page(browser, locale=locale)
        page.goto(address)
        page.wait_for_selector(".cxr .list .row")
        assert page.inner_text("#cxr-save-all") == name
        assert page.get_attribute("html", "lang") == ("nb" if name == NORWEGIAN else "en")
        page.click("#cxr-menu")
        chapters = "#cxr-menu-pane .entries:has(a) button"
        headings = [node.inner_text() for node in page.query_selector_all(chapters)]
        assert headings == list(messages.chapters(page.get_attribute("html", "lang")))
        page.click(chapters)
        visible = [node.inner_text() for node in page.query_selector_all(".label-wrap span:first-child:visible")]
        assert visible == headings, "those of one language"
        page.context.close()
    page = new_page(browser, locale="nb-NO")
    page.goto(address)
    page.click("#cxr-menu")
    page.select_option("#cxr-language", "en")
    page.wait_for_selector("#cxr-save-all:text('Save all')", state="attached")
    page.reload()
    page.wait_for_selector("#cxr-save-all:text('Save all')", state="attached")
    page.context.close()


def test_a_film_of_the_page_is_named_in_the_language_chosen_later(browser, address):
    visitor = Visitor(browser, address)
    visitor.example("phantom", "effusion").wait("gradcam")
    assert visitor.page.inner_text(".filmname b") == "Effusion"
    visitor.open("menu").page.select_option("#cxr-language", "nb")
    visitor.page.wait_for_selector(".filmname b:text-is('Pleuravæske')")
    visitor.page.close()


@pytest.mark.parametrize("code", OTHERS)
def test_everything_on_the_page_is_said_through_the_catalogue(browser, address, tmp_path, code):
    films = [phantom.save(key, tmp_path) for key in ("normal", "effusion")]
    visitor = Visitor(browser, address, f"({BRACKETS})('{code}'); localStorage.setItem('cxr-language', '{code}');")
    page = visitor.page
    page.set_input_files(".cxr input.picker", films)
    visitor.wait(*DEFAULTS).measured()
    page.click("#cxr-wipe")
    page.wait_for_function("() => document.querySelector('#cxr-beside').options.length > 1")
    visitor.open("view").page.select_option("#cxr-beside", index=1)
    for key in DEFAULTS:
        visitor.close().open(f"more-{key}")
    visitor.close().show("randomise").page.click("#cxr-scramble")
    page.wait_for_selector("[data-state=done] .smalls figure")
    visitor.show("grid").page.select_option("#cxr-grid-kind", "settings")
    page.hover(".card[data-method=lime] canvas")
    seen = page.evaluate(WRITTEN)
    visitor.open("menu").page.click("#cxr-tour")
    seen += page.evaluate(WRITTEN)
    page.click("#cxr-quiz")
    page.select_option("#cxr-guess", "-1")
    page.click("#cxr-reveal")
    seen += page.evaluate(WRITTEN)
    assert sum("\u27e6" in one for one in seen) > 400
    unsaid = {one for one in seen if re.search("[a-z]{2}", left_over(one))}
    assert sorted(unsaid - set(messages.chapters(code))) == []  # a chapter's heading is in the language's own text
    assert visitor.complaints == []
    page.close()


def left_over(said: str) -> str:
    """What was not said through the catalogue."""
    while (less := re.sub("\u27e6[^\u27e6\u27e7]*\u27e7", "", said)) != said:
        said = less
    return NAMES.sub("", said)
