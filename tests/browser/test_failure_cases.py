"""Lessons as a visitor opens them."""

import numpy as np

from cxr_demo.models import failure_cases
from tests.support.browsing import DEFAULTS, GREEN, Visitor


def outlined(visitor):
    """Rows, as shares of the card's height, with bluish pixels: the outline, on a film of grey with a map of orange."""
    pixels = visitor.pixels("gradcam")
    rows, _ = np.nonzero(pixels[..., 2] - pixels[..., 0] > 25)
    return rows / len(pixels)


# ---------------------------------------------------------------------- on the page


def test_the_highest_cell_of_grad_cam_is_traced_to_the_coin(browser, address):
    visitor = Visitor(browser, address).example("lesson", "gradcam").wait(*DEFAULTS)
    ((_, top, _, bottom),) = failure_cases.named("gradcam").boxes
    visitor.page.wait_for_function("() => document.querySelector('#cxr-panel-reliable').textContent.includes('Dotted')")
    rows = outlined(visitor)
    assert len(rows) > 20
    # the cell itself lies two cells, 0.29 of the film, below the coin
    assert top - 0.1 < rows.min() < top
    assert bottom < rows.max() < bottom + 0.1
    assert visitor.complaints == []
    visitor.page.close()


def test_a_visitor_opens_each_and_comes_back_to_the_model_they_chose(browser, address):
    visitor = Visitor(browser, address)
    page = visitor.page
    models = page.eval_on_selector_all("#cxr-model option", "options => options.map(option => option.value)")
    page.select_option("#cxr-model", models[-1])

    def is_shown(lesson):
        page.wait_for_selector(f".film .notes p:text-is('{lesson.truth}')")
        visitor.wait(*DEFAULTS).measured()
        assert visitor.texts(".film .notes p") == [lesson.truth, lesson.see]
        assert page.input_value("#cxr-model") == lesson.model
        assert visitor.texts(".findings .list .label") == ["Planted"]
        assert page.evaluate(GREEN) > 100
        assert "energy in box" in page.text_content("#cxr-panel-box")

    for lesson in failure_cases.LESSONS.values():
        visitor.example("lesson", lesson.key)
        is_shown(lesson)
    visitor.reload()
    is_shown(lesson)
    visitor.example("phantom", "normal")
    page.wait_for_selector(".filmname b:text-is('Normal')")
    assert page.input_value("#cxr-model") == models[-1]
    assert page.eval_on_selector_all("#cxr-model option", "options => options.map(option => option.value)") == models
    # the lesson's film may be shown to another model, and the chip brings the lesson's back
    page.click(f".thumb[title='Where {lesson.key.capitalize()} fails']")
    is_shown(lesson)
    page.select_option("#cxr-model", models[0])
    page.wait_for_function("() => document.querySelectorAll('.findings .list .row').length > 1")
    visitor.example("lesson", lesson.key)
    is_shown(lesson)
    assert visitor.complaints == []
    page.close()
