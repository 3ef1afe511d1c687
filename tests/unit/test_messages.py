"""The page's sentences: each has an identity, every catalogue has each, and Python says each."""

import ast
import copy
import inspect
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import cxr_demo
from cxr_demo import errors, messages, methods
from cxr_demo.evaluation import randomisation, trust
from cxr_demo.films import gate, image, phantom
from cxr_demo.inference import scoring
from cxr_demo.messages import Message, message, record
from cxr_demo.models import classifier, failure_cases, model_folder, registry, visitor_models, xrv_weights
from cxr_demo.output import report, viewer_data
from cxr_demo.types import NIH_FINDINGS, Score
from cxr_demo.web import example, queue, requests
from train.evaluate import AT_CUTOFF, DECISIONS

ROOT = Path(cxr_demo.__file__).parent
#: Identities of the sentences that the browser's own program says.
BROWSER = "ui."
TEXTS = {
    code: {name: text for name, text in language["texts"].items() if not name.startswith(BROWSER)}
    for code, language in messages.languages().items()
}
ENGLISH = TEXTS["en"]
PLACE = re.compile(r"\{([^{}]*)\}")

#: Modules whose refusals no visitor of the page reads: the command line, and the insides of a model's files.
COMMANDS = {
    *("cli.py", "deploy.py", "run.py", "folds.py", "notebook.py", "tables.py"),
    *("label_tables.py", "table_columns.py", "film_names.py", "image_files.py"),
    *("journal.py", "explain.py", "atlas.py"),
}
INSIDES = {
    *("model_folder.py", "xrv_weights.py", "classifier.py", "case.py", "mcp.py"),
    *("library_folders.py", "foreign.py", "of_timm.py", "of_transformers.py"),
}
#: Refusals that ask a deployer to do something, and those of data sets, which the command line reads.
FOR_DEPLOYERS = re.compile(
    "HF_|bundled:|sha256|its authors|There is no model|Leave out @|cannot be read \\(|refused|not finite for"
    "|hf://|The data set|pip install|cannot load|before its name"
)
REFUSALS = {name for name, kind in vars(errors).items() if inspect.isclass(kind)} | {"Damaged"}


def calls(*names: str) -> list[tuple[Path, ast.Call]]:
    """Every call of a function by one of these names in the package, and the file that it is in."""
    return [
        (path, node)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", None) in names
    ]


def branches(node: ast.expr) -> list[ast.expr]:
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]


def written() -> set[str]:
    """The identities that Python names in full."""
    return {
        one.value
        for _, call in calls("message", "message_or")
        for one in branches(call.args[0])
        if isinstance(one, ast.Constant)
    }


def identities(told) -> set[str | None]:
    """The identity of every record in what the browser is told."""
    if isinstance(told, dict):
        own = {told["id"]} if told.keys() == {"id", "parameters", "text"} else set()
        return own.union(*map(identities, told.values()))
    return set().union(*map(identities, told)) if isinstance(told, (list, tuple)) else set()


def offered() -> list:
    """Records of everything that the page offers by name."""
    published = {label for name in xrv_weights.ZOO for label in classifier.published_models()[name]["labels"] if label}
    return [
        viewer_data.palettes(),
        example.phantoms(),
        [record(said) for one in failure_cases.LESSONS.values() for said in (one.name, one.truth, one.see)],
        [record(randomisation.depth_title(depth)) for depth in randomisation.DEPTHS],
        [record(said) for way in image.CORRECTIONS for said in (image.correction_title(way), gate.LOOKS[way])],
        [record(choice.title) for choice in registry.choices()],
        [record(report.readable(label)) for label in {*NIH_FINDINGS, *published, failure_cases.LABEL}],
    ]


def of_methods() -> list:
    """Records of each method; a new one may speak English alone, from its own file."""
    return [viewer_data.method_fields(kind, on=True) for kind in methods.METHODS]


def scores() -> list:
    """Records of the trainer's figures and of the bundled models' scores."""
    specs = [model_folder.read_spec(registry.BUNDLED / name) for name in registry.BUNDLED_MODELS]
    decisions = [Score("mean", "all sources", f"{name} {AT_CUTOFF}", 1, 1, 1, 1, 1) for name in DECISIONS]
    return [
        viewer_data.score_fields(score) for score in (*decisions, *(score for spec in specs for score in spec.scores))
    ]


@pytest.fixture(autouse=True)
def usual_models(monkeypatch):
    """The models that a page offers where nothing else is said."""
    monkeypatch.delenv("CXR_MODEL", raising=False)
    monkeypatch.delenv("CXR_MODELS", raising=False)


def forms(text) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def places(text) -> set[str]:
    return {place for form in forms(text) for place in PLACE.findall(form)}


# ------------------------------------------------------------------ the catalogues


def test_the_catalogues_have_every_message_that_python_names():
    assert sorted(written() - set(ENGLISH)) == []


def test_everything_that_is_offered_has_a_message():
    assert None not in identities(offered())


@pytest.mark.parametrize("told", of_methods(), ids=lambda told: told["key"])
def test_a_method_is_translated_whole_or_not_at_all(told):
    shared = identities(told["unit"]) | {name for name in identities(told) if name and name.startswith("choice.")}
    assert identities(told) == {None} | shared or None not in identities(told)


def test_the_methods_of_the_first_screen_are_translated():
    assert None not in identities([viewer_data.method_fields(kind, on=True) for kind in methods.DEFAULTS])


def test_python_says_every_message_of_the_catalogues():
    """Else a sentence that was changed keeps the words for its former self."""
    assert sorted(set(ENGLISH) - written() - identities([offered(), of_methods(), scores()])) == []


@pytest.mark.parametrize("code", TEXTS)
def test_every_language_has_the_same_messages_with_the_same_places(code):
    assert sorted(TEXTS[code]) == sorted(ENGLISH)
    for name, text in TEXTS[code].items():
        assert isinstance(text, str) == isinstance(ENGLISH[name], str), name
        for form in forms(text):
            assert form.strip(), name
            assert set(PLACE.findall(form)) == places(ENGLISH[name]), name


def test_identities_are_flat_and_dotted():
    assert [name for name in ENGLISH if not re.fullmatch(r"[a-z_]+(\.\w+)+", name)] == []


def test_every_call_names_its_message_and_gives_what_the_text_has_places_for():
    """Written in full, so that a search finds who says a sentence; or made of the name of something that is offered."""
    for path, call in calls("message", "message_or"):
        if path == Path(messages.__file__) and ast.unparse(call) == "message(id)":
            continue  # of message_or, whose own calls are asked
        for one in branches(call.args[0]):
            assert isinstance(one, (ast.Constant, ast.JoinedStr)), ast.unparse(call)
            if isinstance(one, ast.Constant):
                given = {keyword.arg for keyword in call.keywords}
                assert given - {None} <= places(ENGLISH[one.value]), ast.unparse(call)
                assert None in given or given == places(ENGLISH[one.value]), ast.unparse(call)


def test_refusals_that_a_visitor_reads_are_messages():
    said = [
        ast.unparse(one)
        for path, call in calls(*REFUSALS)
        if path.name not in COMMANDS | INSIDES
        for one in branches(call.args[0])
        if isinstance(one, (ast.Constant, ast.JoinedStr))
    ]
    assert [one for one in said if not FOR_DEPLOYERS.search(one)] == []
    assert len(said) > 5, "those for deployers were found"


# ------------------------------------------------------------------ messages


def test_a_message_is_its_english_sentence_and_knows_its_identity():
    said = message("error.film.empty", name="a.png", accepted=message("error.film.accepted"))
    accepted = ENGLISH["error.film.accepted"]
    text = ENGLISH["error.film.empty"].format(name="a.png", accepted=accepted)
    assert said == text
    assert text.startswith("a.png ")
    assert text.endswith(accepted)
    assert (said.id, said.parameters["name"]) == ("error.film.empty", "a.png")
    assert record(said) == {
        "id": "error.film.empty",
        "parameters": {
            "name": "a.png",
            "accepted": {"id": "error.film.accepted", "parameters": {}, "text": accepted},
        },
        "text": text,
    }
    assert type(record(said)["text"]) is str


def test_a_name_with_braces_stays_as_it_is():
    said = message("error.film.uniform", name="{name}{0}.png")
    assert said == ENGLISH["error.film.uniform"].replace("{name}", "{name}{0}.png")


def test_words_that_are_no_message_are_told_as_they_are():
    assert record("Repository Not Found") == {"id": None, "parameters": {}, "text": "Repository Not Found"}


def test_a_message_survives_another_process_and_a_copy():
    """ZeroGPU hands results and errors over from a forked process."""
    said = message("warning.phantom", planted=phantom.PHANTOMS["normal"].planted)
    for other in (pickle.loads(pickle.dumps(said)), copy.deepcopy(said)):
        assert record(other) == record(said)
    refused = pickle.loads(pickle.dumps(errors.BadSetting(said, "seed")))
    assert (record(errors.sentence_of(refused)), refused.field) == (record(said), "seed")
    assert errors.sentence_of(pickle.loads(pickle.dumps(errors.Cancelled()))).id == "error.stopped.on_request"


@pytest.mark.parametrize(
    ("name", "given"), [("error.unheard_of", {}), ("error.film.uniform", {}), ("error.queue.full", {"count": 3})]
)
def test_an_unknown_message_or_a_missing_parameter_is_an_error_at_once(name, given):
    with pytest.raises(KeyError):
        message(name, **given)


def test_n_decides_about_the_plural():
    one, two = (message("error.queue.full", n=n) for n in (1, 2))
    assert one == ENGLISH["error.queue.full"]["one"].format(n=1)
    assert two == ENGLISH["error.queue.full"]["other"].format(n=2)
    assert one.replace("1", "2") != two


def test_sentences_are_joined_to_one_message():
    first, second, third = message("verdict.undecided"), message("verdict.unstable"), message("verdict.undecided")
    assert messages.joined(first) is first
    said = messages.joined(first, second, third)
    assert said == f"{first} {second} {third}"
    assert identities(record(said)) == {"page.sentences", "verdict.undecided", "verdict.unstable"}


def test_a_decimal_sign_is_left_to_the_language():
    assert record(messages.decimal("\N{MINUS SIGN}0.70")) == {
        "id": "number.decimal",
        "parameters": {"whole": "\N{MINUS SIGN}0", "fraction": "70"},
        "text": "\N{MINUS SIGN}0.70",
    }
    assert not isinstance(messages.decimal("90"), Message)


def test_names_without_a_message_are_shown_as_they_are():
    assert not isinstance(report.readable("Pulmonary_Edema"), Message)
    assert report.readable("Pulmonary_Edema") == "Pulmonary Edema"
    assert report.readable("Lung Opacity").id == report.readable("Lung_Opacity").id == "finding.Lung_Opacity"


def test_the_sentence_of_an_error_is_its_message_and_str_is_plain():
    refused = errors.UnreadableImage(message("error.film.gone"))
    assert errors.sentence_of(refused) is refused.args[0]
    assert type(str(refused)) is str
    assert errors.sentence_of(OSError(28, "No space left")) == "[Errno 28] No space left"


# ------------------------------------------------------------------ who says what: identities, so that texts may change


def refused_by(function, *given) -> tuple[str, dict]:
    """Identity and parameters of a refusal."""
    with pytest.raises(errors.CxrError) as refused:
        function(*given)
    told = record(errors.sentence_of(refused.value))
    assert told["text"] == str(refused.value)
    return told["id"], told["parameters"]


def test_refusals_of_films_name_the_film(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    accepted = {"accepted": record(message("error.film.accepted"))}
    assert refused_by(image.read, tmp_path / "empty.png") == ("error.film.empty", {"name": "empty.png", **accepted})
    assert refused_by(image.read, tmp_path) == ("error.film.no_file", {"name": tmp_path.name, **accepted})
    assert refused_by(requests.film_of, {"kind": "file"}) == ("error.film.gone", {})


def test_a_refusal_says_whether_model_or_film_is_at_fault():
    said = message("error.film.gone")
    for error, fault in (
        (errors.UnreadableImage(said), {"unreadable": True}),
        (errors.ModelUnavailable(said), {"model": True}),
        (errors.TooBusy(said), {}),
    ):
        assert requests.refusal(error) == {"error": record(said), **fault}


@pytest.mark.parametrize(
    ("method", "values", "identity", "parameters"),
    [
        ("lime", {"samples": 3}, "error.setting.whole_number", {"value": "3", "low": "100", "high": "5000"}),
        (
            "lime",
            {"fill": "x"},
            "error.setting.choice",
            {"value": "'x'", "names": "blurred, wide, mirror, mean, black, normal"},
        ),
        ("lime", {"seed": "x"}, "error.setting.no_number", {"value": "'x'"}),
        ("occlusion", {"stride": 40}, "error.setting.gaps", {"stride": 40, "window": 32}),
    ],
)
def test_a_refused_setting_is_named_beside_the_sentence(method, values, identity, parameters):
    ((field, _),) = values.items()
    with pytest.raises(errors.BadSetting) as refused:
        methods.method(method, values)
    answer = requests.refusal(refused.value)
    assert answer["field"] == field
    assert answer["error"]["id"] == identity
    assert answer["error"]["parameters"].items() >= parameters.items()


def test_numbers_in_refusals_have_the_decimal_sign_of_the_language():
    _, parameters = refused_by(methods.method, "lime", {"samples": 300.5})
    assert parameters["value"] == record(messages.decimal("300.5"))
    assert parameters["name"]["id"] == "setting_name.samples"


def test_unknown_settings_are_refused_with_those_there_are():
    title = record(message("method.gradcam.title"))
    assert refused_by(methods.method, "gradcam", {"seed": 1}) == (
        "error.setting.none",
        {"method": title, "name": "'seed'"},
    )
    identity, parameters = refused_by(methods.method, "occlusion", {"size": 1})
    assert (identity, parameters["names"]) == ("error.setting.unknown", "window, stride, scored, fill")


def test_the_end_of_a_budget_says_which():
    assert refused_by(scoring.Budget(seconds=0).check) == ("error.stopped.deadline", {"seconds": "0"})
    called_off = threading.Event()
    called_off.set()
    assert refused_by(scoring.Budget(cancelled=called_off).check) == ("error.stopped.on_request", {})


def test_a_corrected_phantom_warns_of_both():
    film = image.corrected(phantom.PHANTOMS["nodule"].film(), "invert and turn left")
    assert [(said.id, *said.parameters.values()) for said in film.warnings] == [
        ("warning.phantom", message("phantom.nodule.planted")),
        ("warning.film.corrected", message("correction.invert_and_turn_left.title")),
    ]


def test_a_visitors_model_that_is_too_large_says_how_large():
    sizes = {"config.json": 2_345_678, "model.safetensors": 1}
    identity, parameters = refused_by(visitor_models._hold_to_limits, "a/b", sizes)
    assert identity == "error.model.file_too_large"
    assert parameters == {"file": "config.json", "repo": "a/b", "size": "2.3 MB", "limit": "1.0 MB"}


@pytest.mark.parametrize(
    ("seconds", "identity", "about"),
    [
        (None, "error.queue.full", {}),
        (89.0, "error.queue.full_seconds", {"seconds": 89}),
        (200.0, "error.queue.full_minutes", {"minutes": 3}),
    ],
)
def test_a_full_queue_says_about_how_long_it_takes(monkeypatch, seconds, identity, about):
    monkeypatch.setattr(queue.JobQueue, "expected", lambda self, ahead: seconds)
    jobs = queue.JobQueue(workers=0, capacity=0)
    assert refused_by(jobs.ticket().__enter__) == (identity, {"n": 0, **about})


def test_each_verdict_has_its_message_and_doubts_follow_it():
    each = np.array([0.6, 0.6, 0.6, 0.6, 0.6])
    measures = {
        "removed": np.array([0, 2, 2, 2, 2]), "score": each, "lungs": np.array([0.2, 0.2, 0.6, 0.2, 0.2]),
        "rivals": np.zeros(5, int), "chance": np.array([0, 0.9, 0, 0, 0]), "in_place": np.zeros(5), "limit": each,
    }  # fmt: skip
    other = measures | {"chance": np.full(5, 0.9)}
    found = trust.Trust(
        {"blurred": trust.CoverScores(**measures), "wide": trust.CoverScores(**other)},
        cover=["blurred"] * 5, stability=np.array([1, 1, 1, 1, 0.2]),
        outside=each, border=each, sums=each, expected_sums=each,
    )  # fmt: skip
    otherwise = {"page.sentences", "verdict.short.other.undecided"}
    short = [identities(record(found.short(i))) for i in range(4)]
    assert short == [
        {"verdict.short.untestable.cover"},
        {"verdict.short.undecided"},
        {"verdict.short.unspecific.lungs", *otherwise},
        {"verdict.short.supported", *otherwise},
    ]
    said = [record(found.says(i)) for i in range(5)]
    always = {"page.sentences", "verdict.cover", "choice.blurred"}
    assert identities(said[0]) == {*always, "verdict.untestable.cover"}
    assert identities(said[1]) == {*always, "verdict.undecided"}
    otherwise = {"verdict.other.undecided", "choice.wide"}
    assert identities(said[2]) == {*always, "verdict.unspecific.lungs", *otherwise}
    assert identities(said[3]) == {*always, "verdict.supported.there", *otherwise}
    assert identities(said[4]) == {*always, "verdict.supported.there", *otherwise, "verdict.unstable"}


# ------------------------------------------------------------------ answers to the browser


def test_only_a_setting_that_is_refused_is_named():
    assert requests.refusal(errors.BadSetting(messages.NO_MAPS)) == {"error": record(messages.NO_MAPS)}


def test_our_own_mistakes_are_told_without_their_words():
    assert requests.refusal(ZeroDivisionError("secret")) == {"error": record(messages.FAILED)}
    assert requests.refusal(OSError(28, "secret")) == {"error": record(messages.NO_DISK)}


# ------------------------------------------------------------------ the browser's own sentences


def said_by_scripts() -> set[str]:
    """The identities of all sentences that the viewer's program says itself."""
    scripts = "".join(path.read_text(encoding="utf-8") for path in viewer_data.ASSETS.glob("*.js"))
    found = set(re.findall(r"\b(?:tr|sentence)\('([^']*)'", scripts))
    assert len(found) > 250
    return found


def test_there_is_norwegian():
    assert set(TEXTS) == {"en", "nb"}
    assert messages.languages()["nb"]["name"] == "Norsk bokmål"
    assert set(messages.languages()["nb"]["also"]) == {"no", "nn"}


@pytest.mark.parametrize("code", messages.languages())
def test_a_catalogue_has_what_the_scripts_say_and_no_more(code):
    texts = set(messages.languages()[code]["texts"])
    assert sorted(said_by_scripts() - texts) == []
    assert sorted({name for name in texts if name.startswith(BROWSER)} - said_by_scripts()) == []


@pytest.mark.parametrize("code", sorted(set(TEXTS) - {"en"}))
def test_the_chapters_under_the_viewer_are_there(code):
    assert len(messages.chapters(code)) == len(messages.chapters("en")) == 3
    assert [not body for body in messages.chapters(code).values()] == [False, True, False]


@pytest.mark.parametrize("code", TEXTS)
def test_the_scripts_sentences_have_the_same_places_in_every_language(code):
    own = {name: text for name, text in messages.languages()["en"]["texts"].items() if name.startswith(BROWSER)}
    for name, text in own.items():
        said = messages.languages()[code]["texts"][name]
        assert isinstance(text, str) or isinstance(said, dict), name
        for form in forms(said):
            assert form.strip(), name
            assert set(PLACE.findall(form)) == places(text), name
