"""From the files that a bundle names to the models that routing may use, or every reason why not.

A model is outside the bundle, as name models are (ADR 11), and bound to it by digest. It is read
whenever a bundle is built: at the start, and before an activation is recorded.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from transire.domain.bundle import Bundle
from transire.domain.deployment import Catalog, Deployment
from transire.domain.learned import ModelFile
from transire.errors import BundleError, IntegrityError
from transire.score.quality.model import QualityModel
from transire.score.quality.reader import Predictor, PromptReader, TaskReader
from transire.score.quality.standing import standing_of, task_standing_of

__all__ = ["absent_models", "open_reader", "serving"]

_MOST_BYTES: Final = 256 * 1024 * 1024
"""64 models over every bucket are 90 MB of JSON."""

T = TypeVar("T")


def open_reader(bundle: Bundle) -> PromptReader | None:
    """The models that the bundle names, ready to read; None where it names none.

    Raises:
        BundleError: a file is not there, is another one, knows other models than the catalog, or
            its own held-out evidence does not earn it a place.
    """
    rules = bundle.routing
    if rules.quality_model is None and rules.task_model is None:
        return None
    predictor = _opened("quality", rules.quality_model, lambda m: _predictor(m, bundle.catalog))
    tasks = _opened("task_model", rules.task_model, lambda m: _tasks(m, rules.tasks))
    return PromptReader(predictor, tasks)


def absent_models(bundle: Bundle) -> list[str]:
    """Located remarks on files that are not on this machine, which an author's need not have."""
    named = {"quality": bundle.routing.quality_model, "task_model": bundle.routing.task_model}
    return [
        f"routing.yaml: `{name}`: `{file.path}` is not on this machine; its digest and evidence "
        "are checked by the router, before it activates"
        for name, file in named.items()
        if file is not None and not Path(file.path).is_file()
    ]


def serving(models: tuple[str, ...], catalog: Catalog) -> dict[str, tuple[Deployment, ...]]:
    """Each name in a model's file, and the deployments it speaks of; empty for an unknown name.

    A name is a deployment's, else a model version's, else a family's.
    """
    return {name: tuple(_serving(name, catalog)) for name in models}


def _serving(name: str, catalog: Catalog) -> Iterator[Deployment]:
    by_id: Mapping[str, Deployment] = {str(d.id): d for d in catalog.deployments.values()}
    if name in by_id:
        yield by_id[name]
        return
    versions = [d for d in by_id.values() if d.model == name]
    family = [d for d in by_id.values() if catalog.models[d.model].family == name]
    # One deployment may be named by its own id and by its model's: the narrower name counts.
    yield from versions or family


def _opened(name: str, file: ModelFile | None, made: Callable[[QualityModel], T]) -> T | None:
    if file is None:
        return None
    where = f"routing.yaml: `{name}`: `{file.path}`"
    try:
        return made(QualityModel.from_bytes(_bytes(file)))
    except IntegrityError as error:
        raise BundleError([f"{where}: {error.message}"]) from None


def _bytes(file: ModelFile) -> bytes:
    path = Path(file.path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise IntegrityError(f"a model has at most {_MOST_BYTES} bytes")
        data = path.read_bytes()
    except OSError:
        raise IntegrityError("there is no such file that can be read on this machine") from None
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise IntegrityError(f"it has sha256 {found}, not the one in the bundle")
    return data


def _predictor(model: QualityModel, catalog: Catalog) -> Predictor:
    standing = standing_of(model)
    _refuse(standing.refusals)
    served = serving(model.models, catalog)
    if unknown := sorted(name for name, deployments in served.items() if not deployments):
        raise IntegrityError(
            f"`{unknown[0][:80]}` is no deployment, model or family of the catalog; what was "
            "measured of other models is no evidence here"
        )
    spoken_of = [d.id for deployments in served.values() for d in deployments]
    if len(set(spoken_of)) < len(spoken_of):
        raise IntegrityError("two of its models are served by the same deployment")
    return Predictor(model, standing, served)


def _tasks(model: QualityModel, known: tuple[str, ...]) -> TaskReader:
    standing = task_standing_of(model)
    _refuse(standing.refusals)
    if unknown := sorted(set(model.models) - {*known}):
        raise IntegrityError(f"it names the task `{unknown[0][:80]}`, which does not exist")
    return TaskReader(model, standing)


def _refuse(refusals: tuple[str, ...]) -> None:
    if refusals:
        raise IntegrityError("may not be used: " + "; ".join(refusals))
