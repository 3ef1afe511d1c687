"""The page in other languages: catalogues that lack nothing, and a page that uses them."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import cxr_demo
from cxr_demo import errors, messages, methods
from cxr_demo.evaluation import randomisation, trust
from cxr_demo.films import image, phantom
from cxr_demo.methods.base import settings_of
from cxr_demo.models import failure_cases, registry
from cxr_demo.output import render, viewer_data
from cxr_demo.types import NIH_FINDINGS
from tests.browsing import DEFAULTS, Visitor

OTHERS = sorted(code for code in messages.languages() if code != "en")
ROOT = Path(cxr_demo.__file__).parent

#: What no visitor of the page reads: sentences of the command line, and what is wrong inside a model's files.
COMMANDS = {"cli.py", "deploy.py", "benchmark.py", "label_tables.py", "folds.py", "notebook.py"}
INSIDES = {"model_folder.py", "xrv_weights.py", "classifier.py", "case.py", "mcp.py"}
#: Asks a deployer to do something.
FOR_DEPLOYERS = re.compile("HF_|bundled:|sha256|its authors|no model \\{0\\}|Leave out @|cannot be read \\(|refused")
REFUSALS = {name for name, kind in vars(errors).items() if inspect.isclass(kind)} | {"Damaged"}
PLACE = re.compile(r"\{[^{}]*\}")

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


def keys_of(catalogue: dict) -> dict[str, list[str]]:
    """The English sentence, with all forms in which it is said."""
    return {k: [said] if isinstance(said, str) else list(said.values()) for k, said in catalogue["texts"].items()}


def said_by_scripts() -> set[str]:
    """Every sentence that the viewer's program says itself, and the file that it can be."""
    scripts = "".join(
        path.read_text(encoding="utf-8")
        for path in (*(viewer_data.ASSETS / name for name in viewer_data.SCRIPTS), ROOT / "output" / "html_report.py")
    )
    found = re.findall(r"\btr\('((?:[^'\\]|\\.)*)'", scripts)
    assert len(found) > 250
    return {re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), one).replace("\\'", "'") for one in found}


def template(node: ast.expr) -> str | None:
    """A sentence in Python; what stands for a value is {0}, {1} ... in order."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        parts = [node.value]
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
    else:
        return None
    numbers = iter(range(100))
    return PLACE.sub(lambda _: f"{{{next(numbers)}}}", "".join(parts))


def python_files():
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in ROOT.rglob("*.py")]


def refusals() -> set[str]:
    """Every sentence with which a visitor is refused something."""
    found = {page for name, page in vars(messages).items() if name.isupper() and isinstance(page, str)}
    for path, tree in python_files():
        if path.name in COMMANDS | INSIDES:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", None) in REFUSALS:
                first = node.args[0]
                ways = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                found |= {said for way in ways if (said := template(way)) and not FOR_DEPLOYERS.search(said)}
    return found - {messages.BAD_CALL, messages.TOOL_FILM, messages.NOT_FETCHED}  # said to programs


def shown() -> set[str]:
    """What records of the engine have to say, and names that are shown."""
    found = {label.replace("_", " ") for label in NIH_FINDINGS}
    for kind in methods.METHODS:
        found |= {kind.reading, kind.unit.value}
        for setting in settings_of(kind):
            found |= {setting.name.replace("_", " "), setting.help, *setting.choices} - {"slic", "quickshift"}
    for one in phantom.PHANTOMS.values():
        found |= {one.title, one.planted}
    found.add(failure_cases.LABEL)
    for lesson in failure_cases.LESSONS.values():
        found |= {lesson.name, lesson.truth, lesson.see}
    found |= {choice.title for choice in registry.choices()}
    return found | set(randomisation.DEPTHS) | set(render.PALETTES) | set(image.CORRECTIONS)


def test_there_is_norwegian():
    assert OTHERS == ["nb"]
    assert messages.languages()["nb"]["name"] == "Norsk bokmål"
    assert set(messages.languages()["nb"]["also"]) == {"no", "nn"}


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_lacks_nothing(code):
    lacking = (said_by_scripts() | refusals() | shown()) - set(messages.languages()[code]["texts"])
    assert sorted(lacking) == []


@pytest.mark.parametrize("code", messages.languages())
def test_a_catalogue_has_nothing_that_is_never_said(code):
    """Else a sentence that was changed keeps the words for what it was."""
    known = said_by_scripts() | shown()
    for _, tree in python_files():
        known |= {said.strip() for node in ast.walk(tree) if (said := template(node))}
    known |= {
        label.replace("_", " ") for label in ("Enlarged_Cardiomediastinum", "Fracture", "Lung_Lesion", "Lung_Opacity")
    }
    known |= {"Grad-CAM pointing", "films with boxes", "all sources", "average precision"}  # of the models' own scores
    assert sorted(set(messages.languages()[code]["texts"]) - known) == []


@pytest.mark.parametrize("code", messages.languages())
def test_what_is_filled_in_is_the_same_in_every_language(code):
    for key, forms in keys_of(messages.languages()[code]).items():
        for said in forms:
            assert sorted(PLACE.findall(said)) == sorted(PLACE.findall(key)), key
            assert said.strip(), key


@pytest.mark.parametrize("code", OTHERS)
def test_the_chapters_under_the_viewer_are_there(code):
    assert len(messages.chapters(code)) == len(messages.chapters("en")) == 3
    assert [not body for body in messages.chapters(code).values()] == [False, True, False]


@pytest.fixture(scope="module")
def told(browser):
    """How the browser says an English sentence of the engine's to a Norwegian."""
    page = browser.new_context(locale="nb-NO").new_page()
    page.evaluate(
        """([about, script]) => {
          window.told = new Function('props', 'make', `${script}\nreturn told`)({about}, () => '');
        }""",
        [{"languages": messages.languages()}, (viewer_data.ASSETS / "language.js").read_text(encoding="utf-8")],
    )
    yield lambda sentence: page.evaluate("sentence => told(sentence)", sentence)
    page.close()


@pytest.mark.browser
def test_sentences_of_the_engine_are_understood_with_what_stands_in_them(told, tmp_path):
    empty = tmp_path / "tom.png"
    empty.write_bytes(b"")
    with pytest.raises(errors.UnreadableImage) as refused:
        image.read(empty)
    assert told(str(refused.value)).startswith("tom.png er tom. Godtatt er PNG")
    with pytest.raises(errors.BadSetting) as refused:
        methods.method("lime", {"samples": 3})
    assert told(str(refused.value)) == "prøver=3: det trengs et heltall fra 100 til 5000."
    turned = image.corrected(phantom.PHANTOMS["normal"].film(), "turn left")
    assert [told(said) for said in turned.warnings] == [
        "Et fantom tegnet av dette programmet, ingens bilde: en modell kan overse det. Ingenting er lagt inn.",
        "Bildet ble rettet her før det ble lest: snu mot venstre.",
    ]
    assert (
        told(str(errors.DeadlinePassed("Stopped after the 90 seconds given.")))
        == "Stoppet etter de 90 sekundene som var gitt."
    )


@pytest.mark.browser
def test_all_that_is_said_of_a_map_is_understood(told):
    import numpy as np

    each = np.array([np.nan, 0.1, 0.5, 0.7, 0.7])
    found = trust.Trust(
        faithfulness=each,
        chance=np.array([0.0, 0.9, 0, 0, 0]),
        anatomy=np.array([0, 0, 0.6, 0.2, 0.2]),
        stability=np.array([1, 1, 1, 1, 0.2]),
        outside=np.array([0, 0, 0, 0.6, 0.6]),
        border=each,
    )
    assert {found.verdict(i) for i in range(5)} == set(trust.Verdict)
    said = [told(found.says(i)) for i in range(5)]
    assert said[4] == (
        "Å dekke til det kartet markerer, flytter skåren slik det sier (r 0,70, lungene alene 0,20). "
        "Men en liten endring gir et annet kart. 60 % av det ligger utenfor lungene."
    )
    assert all(one != found.says(i) and " the " not in one for i, one in enumerate(said))


@pytest.mark.browser
def test_what_no_catalogue_knows_is_said_as_it_is(told):
    assert [told(said) for said in ("Corners", "constructor", "", None)] == ["Corners", "constructor", "", None]


@pytest.mark.browser
def test_a_browser_in_norwegian_gets_norwegian_and_may_choose_english(browser, address):
    for locale, name in (("nb-NO", "Lagre alt"), ("nn-NO", "Lagre alt"), ("de-DE", "Save all"), ("en-GB", "Save all")):
        page = browser.new_context(locale=locale).new_page()
        page.goto(address)
        page.wait_for_selector(".cxr .list .row")
        assert page.inner_text("#cxr-save-all") == name
        assert page.get_attribute("html", "lang") == ("nb" if name == "Lagre alt" else "en")
        headings = [node.inner_text() for node in page.query_selector_all(".label-wrap span:first-child:visible")]
        assert headings == list(messages.chapters(page.get_attribute("html", "lang")))
        page.context.close()
    page = browser.new_context(locale="nb-NO").new_page()
    page.goto(address)
    page.select_option("#cxr-language", "en")
    page.wait_for_selector("#cxr-save-all:text('Save all')")
    page.reload()
    page.wait_for_selector("#cxr-save-all:text('Save all')")
    page.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("code", OTHERS)
def test_everything_on_the_page_is_said_through_the_catalogue(browser, address, tmp_path, code):
    films = [phantom.save(key, tmp_path) for key in ("normal", "effusion")]
    visitor = Visitor(browser, address, f"({BRACKETS})('{code}'); localStorage.setItem('cxr-language', '{code}');")
    page = visitor.page
    page.set_input_files(".cxr input.picker", films)
    visitor.wait(*DEFAULTS).measured()
    page.click("#cxr-wipe")
    page.wait_for_function("() => document.querySelector('#cxr-beside').options.length > 1")
    page.select_option("#cxr-beside", index=1)
    page.evaluate("document.querySelectorAll('.cxr details').forEach(node => { node.open = true; })")
    page.click("#cxr-scramble")
    page.wait_for_selector("[data-state=done] .smalls figure")
    page.select_option("#cxr-grid-kind", "settings")
    page.hover(".card[data-method=lime] canvas")
    seen = page.evaluate(WRITTEN)
    page.click("#cxr-tour")
    seen += page.evaluate(WRITTEN)
    page.click("#cxr-quiz")
    page.select_option("#cxr-guess", "-1")
    page.click("#cxr-reveal")
    seen += page.evaluate(WRITTEN)
    assert sum("\u27e6" in one for one in seen) > 400
    assert sorted({one for one in seen if re.search("[a-z]{2}", left_over(one))}) == []
    assert visitor.complaints == []
    page.close()


def left_over(said: str) -> str:
    """What was not said through the catalogue."""
    while (less := re.sub("\u27e6[^\u27e6\u27e7]*\u27e7", "", said)) != said:
        said = less
    return NAMES.sub("", said)
