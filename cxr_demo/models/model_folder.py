"""Read and write model folders: `config.json` <-> ModelSpec, `model.safetensors` <-> Network, `README.md` as the card.

Reading is strict and executes no code from the folder: unknown formats, fields, tensors and shapes are errors. Only
functions that read or write weights import torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from cxr_demo.errors import BadModel
from cxr_demo.files import whole_folder, write_whole
from cxr_demo.types import ModelSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cxr_demo.models.classifier import Classifier, Network

#: Format versions of `config.json` that this program reads; it writes the last.
FORMATS = (1,)
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def save(folder: Path, spec: ModelSpec, network: Network, card: str, *, half: bool = False) -> None:
    """Write a model folder atomically; other files of an existing folder stay in it.

    `half` stores matrices and kernels as float16, which halves the size; `load` converts them to float32.
    Raises BadModel if the description is invalid and OSError if the folder cannot be written.
    """
    import safetensors.torch

    text = dumps(spec)
    with whole_folder(Path(folder)) as fresh:
        (fresh / CONFIG).write_text(text, encoding="utf-8")
        (fresh / CARD).write_text(card, encoding="utf-8")
        state = {
            # statistics and biases stay in float32: they are few, and may be very small or large
            name: (tensor.half() if half and tensor.ndim > 1 else tensor).detach().cpu().contiguous()
            for name, tensor in network.model.state_dict().items()
        }
        # safetensors' save_file creates files that only their owner can read
        (fresh / WEIGHTS).write_bytes(safetensors.torch.save(state, metadata={"format": "pt"}))


def describe(folder: Path, spec: ModelSpec, card: str) -> None:
    """Replace a model folder's description and card; the weights stay.

    Raises BadModel if the description is invalid and OSError if a file cannot be written.
    """
    write_whole(folder / CONFIG, dumps(spec))
    write_whole(folder / CARD, card)


def load(folder: Path, name: str, *, revision: str | None = None) -> Classifier:
    """Load the model of a folder as `name@revision`; the default revision is 8 digits of its weights' sha256.

    Weights stored in half precision are converted to float32. BadModel names the problem if a file is invalid.
    """
    folder = Path(folder)
    spec = read_spec(folder)
    data = _bytes(folder / WEIGHTS)
    found = _loaded(data, folder / WEIGHTS)
    revision = revision or hashlib.sha256(data).hexdigest()[:8]
    return assemble(spec, found, f"{name}@{revision}", str(folder / WEIGHTS))


def tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, by name; BadModel if the file is missing or invalid."""
    return _loaded(_bytes(path), path)


def _loaded(data: bytes, path: Path) -> dict[str, Tensor]:
    """Parse the bytes of a safetensors file; BadModel, which names `path`, if they are invalid."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found: dict[str, Tensor] = load(data)
    except SafetensorError as error:
        raise BadModel(f"{path} is not a whole safetensors file: {error}.") from None
    return found


def read_spec(folder: Path) -> ModelSpec:
    """Read the description in a model folder; BadModel if `config.json` is missing or invalid."""
    path = Path(folder) / CONFIG
    try:
        return loads(_bytes(path).decode("utf-8"))
    except UnicodeDecodeError:
        raise BadModel(f"{path} is not text in UTF-8.") from None
    except BadModel as error:
        raise BadModel(f"{path}: {error}") from None


def read_card(folder: Path) -> str:
    """Read the card in a model folder, as Markdown with front matter; "" without a card."""
    path = Path(folder) / CARD
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def assemble(spec: ModelSpec, tensors: Mapping[str, Tensor], name: str, where: str) -> Classifier:
    """Build a Classifier from a description and tensors by name; errors give `where` as the tensors' source.

    Raises BadModel unless the names, shapes and kinds of the tensors are exactly those of the network, and the network
    takes films of the description's size.
    """
    import torch

    from cxr_demo.models.classifier import Classifier

    network = outline(spec)
    network.model.load_state_dict(_fitting(network.model.state_dict(), tensors, where), assign=True)
    # on a true film rather than on the meta device, for which torch would import its compiler: two seconds
    run_once(network, spec, where, torch.device("cpu"))
    return Classifier(spec, network, name)


def outline(spec: ModelSpec) -> Network:
    """Build a description's network on the meta device, which allocates no memory; BadModel if it is unknown."""
    import torch

    from cxr_demo.models.classifier import TRACING, build

    with TRACING, torch.device("meta"):
        return build(spec.architecture, spec.arguments, len(spec.labels)).eval()


def run_once(network: Network, spec: ModelSpec, where: str, device: torch.device) -> None:
    """Run a network on a grey film; BadModel, which starts with `where`, if it does not take films of this size.

    The caller holds TRACING for the meta device, where operations run in Python through torch's compiler and share a
    record with exports in other threads. A CPU's kernels do not touch that record, so they need no lock.
    """
    import torch

    try:
        with torch.no_grad():
            network(torch.zeros(1, 1, spec.size, spec.size, device=device))
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadModel(f"{where}: {spec.architecture} does not take films of {spec.size} pixels: {error}") from None


def _fitting(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Convert the given tensors to the network's types; BadModel unless names, shapes and kinds match."""
    for names, what in ((wanted.keys() - given.keys(), "lacks"), (given.keys() - wanted.keys(), "has unexpected")):
        if names:
            raise BadModel(f"{where} {what} {len(names)} tensors, e.g. {min(names)}: it is not of this architecture.")
    for name, tensor in given.items():
        if tensor.shape != wanted[name].shape:
            raise BadModel(f"{where}: {name} is {tuple(tensor.shape)}, should be {tuple(wanted[name].shape)}.")
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            raise BadModel(f"{where}: {name} is {tensor.dtype}, should be {wanted[name].dtype}.")
        if not tensor.isfinite().all():
            raise BadModel(f"{where}: {name} holds numbers that are not finite.")
    return {name: tensor.to(wanted[name].dtype) for name, tensor in given.items()}


def _bytes(path: Path) -> bytes:
    """Read a file of a model folder; BadModel if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadModel(
            f"{path.parent} is not a model folder: {path.name} cannot be read ({error.strerror}). "
            f"A model folder holds {CONFIG} and {WEIGHTS}."
        ) from None


def dumps(spec: ModelSpec) -> str:
    """Return a description as the text of `config.json`; BadModel if `loads` rejects it."""
    text = json.dumps({"format": FORMATS[-1], **_plain(spec)}, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    loads(text)
    return text


def loads(text: str) -> ModelSpec:
    """Parse the text of a `config.json`; BadModel names the invalid field."""
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadModel(f"this is not JSON: {error}.") from None
    if not isinstance(data, dict) or "format" not in data:
        raise BadModel("this is not the description of a model: it has no `format`.")
    version = data.pop("format")
    if version not in FORMATS or isinstance(version, bool):
        known = ", ".join(map(str, FORMATS))
        raise BadModel(f"format {version!r} is not known here, only {known}: a newer version of cxr_demo may read it.")
    spec: ModelSpec = _record(ModelSpec, data, "")
    check(spec)
    return spec


def _no_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number; write null")


def _plain(value: Any) -> Any:
    """Convert dataclasses, tuples and numpy scalars to JSON types; nan becomes null."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _record(kind: type, data: Any, where: str) -> Any:
    """Convert a JSON object to a dataclass; fields with a default are optional, unknown fields raise BadModel."""
    if not isinstance(data, dict):
        raise BadModel(f"{where} should be an object with the fields of {kind.__name__}.")
    kinds = get_type_hints(kind, localns={"Mapping": Mapping})
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    if missing := needed - data.keys():
        raise BadModel(f"{_at(where, min(missing))} is missing.")
    if unknown := data.keys() - kinds.keys():
        raise BadModel(f"{_at(where, min(unknown))} is not a field of format {FORMATS[-1]}.")
    return kind(**{name: _convert(kinds[name], value, _at(where, name)) for name, value in data.items()})


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _convert(kind: Any, value: Any, where: str) -> Any:
    """Convert a JSON value to a field's annotated type: null becomes nan for a number, arrays become tuples."""
    inner = get_args(kind)
    if get_origin(kind) is UnionType:
        return None if value is None else _convert(inner[0], value, where)
    if get_origin(kind) is tuple:
        return _tuple(inner, value, where)
    if is_dataclass(kind):
        return _record(kind, value, where)  # type: ignore[arg-type]
    if kind is float and value is None:
        return math.nan
    accepted = {float: (int, float), int: int, str: str}.get(kind, dict)
    if not isinstance(value, accepted) or isinstance(value, bool):  # type: ignore[arg-type]
        name = {float: "a number", int: "a whole number", str: "a text"}.get(kind, "an object")
        raise BadModel(f"{where} is {value!r:.60}, should be {name}.")
    return float(value) if kind is float else _frozen(value)


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Convert a JSON list to a tuple of the annotated types, of fixed length unless the annotation ends in `...`."""
    if not isinstance(value, list):
        raise BadModel(f"{where} is {value!r:.60}, should be a list.")
    kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
    if len(kinds) != len(value):
        raise BadModel(f"{where} should have {len(kinds)} values, has {len(value)}.")
    return tuple(_convert(kind, v, f"{where}[{i}]") for i, (kind, v) in enumerate(zip(kinds, value, strict=True)))


def _frozen(value: Any) -> Any:
    """Convert arrays inside an architecture's arguments to tuples, so that a written description reads back equal."""
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def check(spec: ModelSpec) -> None:
    """Check the values of the fields beyond their types; BadModel names the invalid field."""
    if not spec.labels or any(not label.strip() for label in spec.labels):
        raise BadModel("labels are missing or blank: every output needs a name.")
    if len(set(spec.labels)) < len(spec.labels):
        raise BadModel("labels has the same name twice.")
    for field, values in (("calibration", spec.calibration), ("thresholds", spec.thresholds)):
        if values is not None and len(values) != len(spec.labels):
            raise BadModel(f"{field} has {len(values)} entries for {len(spec.labels)} labels.")
    if not all(math.isfinite(number) for pair in spec.calibration or () for number in pair):
        raise BadModel("calibration holds numbers that are not finite; leave it out (null) where it is unknown.")
    if any(not 0 <= t <= 1 for t in spec.thresholds or () if not math.isnan(t)):
        raise BadModel("thresholds are probabilities, from 0 to 1, or null where unknown.")
    low, high = spec.pixel_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadModel(f"pixel_range is {low:g} to {high:g}, should be two numbers, the lower first.")
    if not 1 <= spec.size <= 4096:
        raise BadModel(f"size is {spec.size}, should be the side of the input in pixels, from 1 to 4096.")
