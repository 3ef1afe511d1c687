"""Several films, and maps in a grid, in a real browser."""

import csv
import io

import cv2
import numpy as np
import pytest

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry
from cxr_demo.types import NIH_FINDINGS
from tests.support.browsing import DEFAULTS, Visitor

KINDS = ("normal", "effusion", "nodule")
HOSTILE = "=1+1,<b>.png"
#: The table of films; the grid of maps is a table of the same look.
TABLE = ".table.films"
#: A script's condition: the table's heading has these words.
SAYS = f"words => document.querySelector('{TABLE} h3').textContent.includes(words)"


@pytest.fixture(scope="module")
def films_here(tmp_path_factory):
    """Three films, one of a name that a spreadsheet would compute, and a file that is none."""
    folder = tmp_path_factory.mktemp("several")
    paths = [folder / f"{kind}.png" for kind in KINDS[:2]] + [folder / HOSTILE]
    for kind, path in zip(KINDS, paths, strict=True):
        cv2.imwrite(str(path), phantom.draw(kind))
    (folder / "letter.png").write_text("Dear doctor, ...")
    return [*paths, folder / "letter.png"]


@pytest.fixture(scope="module")
def visit(browser, address, films_here):
    """One visit that most tests share: three films in their table; the file that is none is named and left out."""
    one = Visitor(browser, address)
    one.page.set_input_files(".cxr input.picker", films_here)
    one.wait(*DEFAULTS).measured()
    one.page.wait_for_function(SAYS, arg="3 of 3")
    one.page.wait_for_selector(".film .failure:has-text('letter.png is not an image that can be read')")
    yield one
    assert one.complaints == []
    assert {url for url in one.requests if not url.startswith(one.address)} == set()
    one.page.close()


@pytest.fixture
def visitor(visit):
    """The visit, with no films combined and the second one shown."""
    visit.show("films")
    for box in visit.page.query_selector_all(f"{TABLE} tbody input:checked"):
        visit.page.uncheck(f"[aria-label='{box.get_attribute('aria-label')}']")
    visit.page.click(f"{TABLE} tbody >> text=effusion.png")
    return visit.wait(*DEFAULTS)


@pytest.fixture(scope="module")
def known(visit, films_here):
    """What the model says of each film, by the library."""
    model = registry.load(visit.page.input_value("#cxr-model"))
    return [Case(model, image.read(path)).predict() for path in films_here[:3]]


def names(visitor):
    return visitor.texts(f"{TABLE} tbody th")


class TestTable:
    def test_all_findings_of_all_films_without_looking_at_each(self, visitor, known):
        by_name = dict(zip(("normal.png", "effusion.png", HOSTILE), known, strict=True))
        assert set(names(visitor)) == set(by_name)
        for name, row in zip(names(visitor), visitor.page.query_selector_all(f"{TABLE} tbody tr"), strict=True):
            said = by_name[name]
            shown = [cell.inner_text() for cell in row.query_selector_all("td")[1:]]
            assert len(shown) == 14
            for text, p, threshold in zip(shown, said.probabilities, said.thresholds, strict=True):
                assert float(text.strip("▲ %")) == pytest.approx(100 * p, abs=0.51)
                assert ("▲" in text) == (p >= threshold)

    def test_a_click_on_a_head_sorts_and_another_turns_it(self, visitor, known):
        i = int(np.ptp([said.probabilities for said in known], axis=0).argmax())
        order = np.argsort([-said.probabilities[i] for said in known])
        expected = [["normal.png", "effusion.png", HOSTILE][k] for k in order]
        head = f"{TABLE} th[data-by='{NIH_FINDINGS[i]}']"
        visitor.page.click(f"{head} button")
        assert names(visitor) == expected
        assert visitor.page.get_attribute(head, "aria-sort") == "descending"
        visitor.page.keyboard.press("Enter")  # the head keeps the focus
        assert names(visitor) == expected[::-1]
        assert visitor.page.get_attribute(head, "aria-sort") == "ascending"
        visitor.page.click(f"{TABLE} th[data-by='name'] button")
        assert names(visitor) == sorted(expected)

    def test_ticked_films_are_combined_by_their_log_odds(self, visitor, known):
        def combined(*films):
            p = np.array([known[k].probabilities for k in films], np.float64).clip(1e-6, 1 - 1e-6)
            return 1 / (1 + np.exp(-np.log(p / (1 - p)).mean(0)))

        def shown():
            return [float(text.strip("▲ %")) for text in visitor.texts(f"{TABLE} tfoot td")[1:]]

        assert shown() == [], "films are not taken together unasked"
        for box in visitor.page.query_selector_all(f"{TABLE} tbody input"):
            visitor.page.check(f"[aria-label='{box.get_attribute('aria-label')}']")
        np.testing.assert_allclose(shown(), 100 * combined(0, 1, 2), atol=0.51)
        visitor.page.uncheck("[aria-label='Combine normal.png']")
        np.testing.assert_allclose(shown(), 100 * combined(1, 2), atol=0.51)
        assert "2 films combined" in visitor.page.inner_text(f"{TABLE} tfoot")

    def test_csv_has_every_number_and_no_formula(self, visitor, known):
        for name in ("normal.png", "effusion.png"):
            visitor.page.check(f"[aria-label='Combine {name}']")
        with visitor.page.expect_download() as waiting:
            visitor.page.click("#cxr-csv")
        text = waiting.value.path().read_bytes().decode()
        assert "\r\n" in text
        rows = {row["file"]: row for row in csv.DictReader(io.StringIO(text))}
        assert set(rows) >= {"normal.png", "effusion.png", f"'{HOSTILE}"}
        assert "letter.png" not in rows
        for name, said in zip(("normal.png", "effusion.png", f"'{HOSTILE}"), known, strict=True):
            values = [float(rows[name][label]) for label in NIH_FINDINGS]
            np.testing.assert_allclose(values, said.probabilities, atol=2e-6)
            assert rows[name]["model"] == said.model
        assert any(name.startswith("combined:") for name in rows)

    def test_a_name_shows_its_film(self, visitor):
        for name in ("normal.png", "effusion.png"):
            visitor.page.click(f"{TABLE} tbody >> text={name}")
            visitor.wait(*DEFAULTS)
            assert visitor.page.inner_text(".filmname b") == name
            assert visitor.page.inner_text(f"{TABLE} tr[aria-current] th") == name


def test_another_film_stands_beside_and_is_enlarged_in_step(visitor, known):
    page = visitor.page
    visitor.open("view")
    page.select_option("#cxr-beside", label="normal.png")
    assert page.inner_text(".beside-card h3") == "normal.png"
    visitor.pick("Effusion")
    there, here = (known[k].probabilities[NIH_FINDINGS.index("Effusion")] for k in (0, 1))
    words = page.inner_text(".beside-card .reading")
    assert f"{round(100 * there)} % here" in words or f"{100 * there:.1f} % here" in words
    points = round(100 * (float(there) - float(here)))
    assert (f"{abs(points)} points" in words) or points == 0
    shown = "() => document.querySelector('.beside-card canvas').toDataURL()"
    before = page.evaluate(shown)
    visitor.open("view").page.click("[aria-label='Zoom in']")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate(shown) != before
    visitor.open("view").page.click("text=Fit")
    page.select_option("#cxr-beside", index=0)
    assert not page.is_visible(".beside-card")


@pytest.fixture
def grid(visitor):
    return visitor.show("grid")


def settled(page, many):
    """Wait until the grid has this many cells, and none of them is to come."""
    page.wait_for_function(
        """many => {
          const words = [...document.querySelectorAll('.grid tbody small')].map(node => node.textContent);
          return words.length === many && !words.some(text => /running|waits/.test(text));
        }""",
        arg=many,
    )


def cells(visitor):
    return visitor.texts(".grid tbody small")


class TestGrid:
    def test_methods_and_findings_without_a_request(self, grid):
        before = len(grid.requests)
        grid.page.select_option("#cxr-grid-kind", "findings")
        for chip in grid.page.query_selector_all(".grid .chip[aria-pressed=true]"):
            chip.evaluate("node => node.click()")
        for name in ("Edema", "Mass"):
            grid.page.click(f".grid .chip >> text={name}")
        heads = grid.texts(".grid thead th")
        assert sorted(head.rsplit(" ", 2)[0] for head in heads) == ["Edema", "Mass"]
        assert grid.texts(".grid tbody th") == ["Grad-CAM", "LIME", "Occlusion"]
        assert len(cells(grid)) == 6
        assert grid.requests[before:] == []
        drawn = grid.page.eval_on_selector_all(
            ".grid td canvas",
            "nodes => nodes.map(n => n.getContext('2d').getImageData(0, 0, n.width, n.height).data.some(v => v > 0))",
        )
        assert all(drawn)

    def test_settings_run_beside_the_cards(self, grid, films_here):
        """Each value once, the cards' own maps left as they are; the difference is that of the library's maps."""
        page = grid.page
        page.select_option("#cxr-grid-kind", "settings")
        page.select_option("#cxr-grid-method", "lime")
        page.select_option("#cxr-grid-setting", "samples")
        page.fill("#cxr-grid-values", "100, 300, 9")
        status = page.text_content(".card[data-method=lime] .figures")
        page.click("#cxr-grid-run")
        settled(page, 4)
        assert grid.texts(".grid thead th") == ["samples 100", "samples 300", "samples 9", "difference"]
        assert "samples" in cells(grid)[2], "out of range, said in the cell"
        assert page.text_content(".card[data-method=lime] .figures") == status
        page.fill("#cxr-grid-values", "100, 300")
        page.click("#cxr-grid-run")
        settled(page, 3)
        model = registry.load(page.input_value("#cxr-model"))
        film = image.read(films_here[1])
        i = int(page.get_attribute(".list .row[aria-selected=true]", "data-finding"))
        few, many = (
            list(Case(model, film).explain(methods.method("lime", {"samples": n})))[-1].values[i] for n in (100, 300)
        )
        largest = float(cells(grid)[2].split()[-1].strip("\u00b1"))
        # each of the two arrives in steps of a 127th
        assert abs(largest) == pytest.approx(
            float(np.abs(many - few).max()), abs=float(np.abs([few, many]).max()) / 60 + 1e-3
        )

    def test_models_stand_side_by_side(self, grid):
        page = grid.page
        grid.pick("Pneumothorax")
        page.select_option("#cxr-grid-kind", "models")
        page.click("#cxr-grid-run")
        settled(page, 9)
        assert all("up to" in text for text in cells(grid))
        grid.pick("Edema")
        assert sum("does not predict Edema" in text for text in cells(grid)) == 3
        assert page.get_attribute(".card[data-method=lime]", "data-state") == "done"

    def test_films_stand_side_by_side(self, grid, known, films_here):
        """Maps of each film are its own, at its own place, and no map of a difference is drawn between them."""
        page = grid.page
        page.select_option("#cxr-grid-kind", "films")
        boxes = "[aria-label='Films to compare'] input"
        for k, wanted in enumerate((True, False, True)):
            page.set_checked(f"{boxes} >> nth={k}", wanted)
        i = int(page.get_attribute(".list .row[aria-selected=true]", "data-finding"))
        page.click("#cxr-grid-run")
        settled(page, 6)
        chosen = [text.strip() for text in grid.texts("[aria-label='Films to compare'] label:has(input:checked)")]
        assert [head.rsplit(" ", 2)[0] for head in grid.texts(".grid thead th")] == chosen
        by_name = {path.name: (path, said) for path, said in zip(films_here[:3], known, strict=True)}
        model = registry.load(page.input_value("#cxr-model"))
        for k, name in enumerate(chosen):
            path, said = by_name[name]
            head = grid.texts(".grid thead th")[k]
            assert float(head.split()[-2]) == pytest.approx(100 * said.probabilities[i], abs=0.51)
            *_, gradcam = Case(model, image.read(path)).explain(methods.method("gradcam", {}))
            told = float(cells(grid)[k].split(",")[0].split()[-1].strip("\u00b1"))
            assert abs(told) == pytest.approx(np.abs(gradcam.values[i]).max(), rel=0.02, abs=2e-3)

    def test_stop_ends_it(self, grid):
        page = grid.page
        page.select_option("#cxr-grid-kind", "settings")
        page.select_option("#cxr-grid-method", "lime")
        page.select_option("#cxr-grid-setting", "samples")
        page.fill("#cxr-grid-values", "5000, 4900")
        page.click("#cxr-grid-run")
        page.wait_for_selector(".grid .stop:not([disabled])")
        page.click(".grid .stop")
        page.wait_for_selector("#cxr-grid-run:not([disabled], [aria-disabled=true])")
        assert all("up to" not in text for text in cells(grid)[:2])


def test_what_is_refused_is_said_and_asked_again(browser, address, films_here):
    """As Gradio does where too many wait: no answer comes, and the page says so for what was asked."""
    one = Visitor(browser, address)
    refuse = "name => document.dispatchEvent(new CustomEvent('cxr-answer', {detail: {failed: name}}))"
    one.page.route("**/queue/join*", lambda route: None)  # nothing is answered
    one.page.set_input_files(".cxr input.picker", films_here[:1])
    one.page.wait_for_selector(".film .veil:visible")
    one.page.evaluate(refuse, "estimate")
    assert one.page.is_visible(".film .veil"), "the film is still read"
    one.page.wait_for_function("() => document.querySelector('.veil .words').textContent.startsWith('Reading')")
    one.page.evaluate(refuse, "film")
    assert "is busy and did not take" in one.page.inner_text(".film .notes.bad")
    assert not one.page.is_visible(".film .veil")
    one.page.unroute("**/queue/join*")
    one.page.set_input_files(".cxr input.picker", films_here[1:2])
    one.wait(*DEFAULTS).measured()
    one.show("grid")
    one.page.select_option("#cxr-grid-kind", "settings")
    one.page.route("**/queue/join*", lambda route: None)
    one.page.select_option("#cxr-grid-method", "lime")
    one.page.click("#cxr-grid-run")
    one.page.evaluate(refuse, "lime")
    assert one.page.get_attribute(".card[data-method=lime]", "data-state") == "done", "the card has its map"
    assert "is busy and did not take" in one.page.inner_text(".grid tbody")
    assert one.complaints == []
    one.page.close()


def test_back_from_another_model_the_table_has_its_own_names(browser, address, films_here):
    one = Visitor(browser, address)
    one.page.set_input_files(".cxr input.picker", films_here[:2])
    one.page.wait_for_function(SAYS, arg="2 of 2")
    one.show("films")
    assert names(one) == ["normal.png", "effusion.png"], "in the order in which they were sent"
    for index, many in ((1, 1), (0, 14)):
        one.page.select_option("#cxr-model", index=index)
        one.page.wait_for_function(
            f"many => document.querySelectorAll('{TABLE} thead th').length === many + 1", arg=many
        )
        one.page.wait_for_function(SAYS, arg="2 of 2")
        assert len(one.page.query_selector_all(f"{TABLE} tbody tr:first-child td")) == many + 1
        assert len(one.texts(".list .row")) == many
    assert one.complaints == []
    one.page.close()


def test_a_reload_brings_the_films_back(browser, address, films_here, tmp_path):
    """With what was drawn on them, and the model; in another tab there is nothing."""
    one = Visitor(browser, address)
    page = one.page
    page.set_input_files(".cxr input.picker", films_here[:2])
    one.wait("gradcam")
    one.example("phantom", "nodule")
    page.click(".strip .thumb >> nth=1")
    one.wait("gradcam")
    boxed = page.inner_text(".list .row[aria-selected=true] .label")
    page.click("#cxr-draw-box")
    box = page.query_selector(".film canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=3)
    page.mouse.up()
    one.pick("Hernia")
    drawn = one.pixels("gradcam").shape
    one.open("menu").page.click("#cxr-dark")
    was_dark = page.evaluate("document.body.classList.contains('dark')")
    one.reload()
    one.wait("gradcam")
    assert one.texts(".strip .name") == ["normal.png", "effusion.png", "Nodule"]
    assert page.get_attribute(".strip .thumb >> nth=1", "aria-pressed") == "true"
    assert "Hernia" in page.inner_text(".list .row[aria-selected=true]")
    one.pick(boxed)
    assert one.pixels("gradcam").shape == drawn
    assert not one.show("box").page.is_disabled("text=Remove boxes")
    assert page.evaluate("document.body.classList.contains('dark')") == was_dark
    assert one.complaints == []
    with page.context.expect_page() as opened:
        page.evaluate("window.open(location.href, '_blank', 'noopener')")
    other = opened.value
    other.wait_for_selector(".cxr .list .row")
    assert other.query_selector_all(".filmname b, .strip .name") == []
    page.close()


def test_after_a_reload_a_film_that_is_gone_is_asked_for_again(browser, address, folder, tmp_path):
    one = Visitor(browser, address)
    film = tmp_path / "gone.png"
    cv2.imwrite(str(film), phantom.draw("normal"))
    one.drop(film).wait("gradcam")
    [kept] = [path for path in (folder / "cache").rglob("gone.png") if path.is_file()]
    kept.unlink()
    one.reload()  # the server forgets with the session what it had read
    one.page.wait_for_selector(".film .failure")
    assert one.texts(".film .failure") == ["gone.png: This film is no longer here; please send the file again."]
    assert one.texts(".filmname b") == [], "nothing is left to try again"
    assert one.complaints == []
    one.page.close()
