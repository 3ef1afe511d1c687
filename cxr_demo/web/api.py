"""The endpoints `/predict` and `/explain` for programs.

Gradio shows their docstrings and reads their annotations, so annotations in this module must not be strings.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import gradio as gr

from cxr_demo import messages, methods
from cxr_demo.case import Case
from cxr_demo.errors import remedy
from cxr_demo.inference.scoring import Budget
from cxr_demo.output import report
from cxr_demo.web import uploads
from cxr_demo.web.queue import JOBS
from cxr_demo.web.requests import film_of, offered, sentence
from cxr_demo.web.zerogpu import gpu

#: Maximum time of one method for one caller, in seconds.
DEADLINE = 120


def predict(file: gr.FileData, model: str | None = None) -> dict[str, Any]:
    """What the model says of one chest X-ray: PNG, JPEG, TIFF, BMP, WebP or DICOM, sent with `handle_file(path)`.

    `model` is one of the page's models by name, its own where it is left out; where the page takes them, also a public
    model folder of the Hugging Face Hub, as owner/name@revision. Gives `file, sha256, model, labels, logits,
    probabilities, thresholds, warnings`; lists are in the order of `labels`.
    """
    with _readable():
        offered(model)  # load it before ZeroGPU forks, so that the forked process has it
        return _predicted(model, _sent(file))


def explain(
    file: gr.FileData,
    method_keys: list[str] | None = None,
    settings: dict[str, Any] | None = None,
    model: str | None = None,
) -> tuple[dict[str, Any], gr.FileData]:
    """Maps of every finding on one chest X-ray, by the methods of these keys, the page's default ones if left out.

    Settings go by method and name, e.g. `{"occlusion.window": 32}`; the page's cards show their ranges. Gives the
    fields of `/predict` with what was done per method, and `maps.npz`: one array (findings, side, side) for each
    method's key, KEY_error with its standard errors where the method has them, and `labels`. A method that takes more
    than two minutes gives the last map it had, and says so.
    """
    keys = [kind.key for kind in methods.DEFAULTS] if method_keys is None else method_keys
    with _readable(), JOBS.ticket() as ticket:
        for _ in ticket.waits(Event()):
            pass  # Gradio itself tells its clients their position in the queue
        offered(model)
        fields, path = _explained(model, _sent(file), keys, settings or {})
    return fields, gr.FileData(path=path, orig_name="maps.npz")


class Strict(gr.Blocks):  # type: ignore[misc]
    """Blocks that answer a call with invalid values by a sentence.

    Gradio itself logs such a call with a traceback that contains the values, among them the file name of a film.
    """

    async def preprocess_data(self, *args: Any, **more: Any) -> list[Any]:
        """Convert a call's values to the function's arguments; gr.Error if Gradio cannot convert them."""
        try:
            values: list[Any] = await super().preprocess_data(*args, **more)
        except Exception as error:
            raise gr.Error(messages.NO_DISK if remedy(error) else messages.BAD_CALL, print_exception=False) from None
        return values


@gpu(seconds=30)
def _predicted(model: str | None, source: Mapping[str, Any]) -> dict[str, Any]:
    case = Case(offered(model), film_of(source))
    return report.prediction_fields(case.film, case.predict())


@gpu(seconds=DEADLINE)
def _explained(
    model: str | None, source: Mapping[str, Any], keys: Sequence[str], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    chosen = methods.choose(keys, settings)
    case = Case(offered(model), film_of(source))
    explanations = [case.last_explanation(method, budget=Budget(seconds=DEADLINE)) for method in chosen]
    fields = report.result_fields(case.film, case.predict(), explanations)
    with uploads.new_folder() as folder:
        path = folder / "maps.npz"
        report.write_maps(path, explanations)
    return fields, str(path)


def _sent(file: Any) -> dict[str, Any]:
    """Convert the caller's file, which Gradio passes on as a plain dictionary, to the source of a film."""
    return {"kind": "file", "path": file.get("path") if isinstance(file, dict) else None}


@contextmanager
def _readable() -> Iterator[None]:
    """Turn every exception into a gr.Error that carries a sentence for the caller; Gradio logs no traceback of it."""
    try:
        yield
    except Exception as error:
        raise gr.Error(sentence(error), print_exception=False) from None
