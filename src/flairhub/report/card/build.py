"""Model cards: a row's weights with a README.md in the form of the Hugging Face Hub, in one folder to upload.

Every figure, class, unit and hash is read from the row's receipt, its details and the contract inside the weights.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.files import replacing, write_text
from flairhub.records.details import TaskDetails, two_decimals
from flairhub.report.card.facts import CardFacts, read_facts
from flairhub.report.card.origin import Licence, Origin, data_origin, weights_licence
from flairhub.report.card.tables import class_lines, input_lines, preparation, result_lines
from flairhub.report.table import section_title

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARDS = Path("cards")
"""Folder of the cards in the repository, outside git and DVC."""

_PIPELINE = "image-segmentation"
_TASK_TAGS = {COSIA: "land-cover", LPIS: "crop-mapping"}
_METRICS = {
    "oa": ("accuracy", "Overall accuracy (O.A.), percent"),
    "miou": ("mean_iou", "Mean IoU (mIoU), percent"),
}
"""Figure -> its metric on the Hub, and a name that says the unit."""


def write_card(row: str, root: Path = Path(), *, seed: int | None = None, out: Path | None = None) -> Path:
    """Write `README.md` and `model.safetensors` of one training of a row.

    Args:
        row: identifier of the row.
        root: the repository.
        seed: one of the row's seeds; None for the first.
        out: destination; None for `cards/<ROW>`, and `cards/<ROW>-seed-<seed>` for a further seed.

    Returns:
        The folder.

    Raises:
        MissingFileError: the row was not trained or not evaluated.
        ConfigurationError: the row has no such seed.
        IntegrityError: weights, figures and receipt do not belong together; nothing is written then.
    """
    facts = read_facts(row, root, seed=seed)
    folder = root / CARDS / (row if facts.first else f"{row}-seed-{facts.seed}") if out is None else out
    text = render_card(facts)
    _place(facts.weights, folder / facts.weights.name)
    write_text(folder / "README.md", text)
    return folder


def render_card(facts: CardFacts) -> str:
    """The text of the card: front matter and Markdown."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    origin = data_origin(facts.receipt)
    licence = weights_licence(facts.receipt, origin)
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        loader=PackageLoader("flairhub.report.card", "."),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["two"] = two_decimals
    body = environment.get_template("card.md.j2").render(
        name=_card_name(facts),
        facts=facts,
        receipt=facts.receipt,
        contract=facts.contract,
        training_environment=facts.contract.environment,
        origin=origin,
        licence=licence,
        inputs=input_lines(facts.contract),
        preparation=preparation(facts.contract),
        tasks=[_task(facts, task, figures) for task, figures in facts.details.tasks.items()],
        # The contract's parameters of the network name no path of the machine that trained it.
        recipe=_yaml({**facts.receipt.recipe, "model": facts.contract.model}),
    )
    return f"---\n{_front_matter(facts, origin, licence)}---\n\n{body}"


def _task(facts: CardFacts, task: str, figures: TaskDetails) -> dict[str, Any]:
    colours = taxonomy(task, figures.level).colours
    return {
        "task": task,
        "title": section_title(task, figures.level),
        "results": result_lines(figures),
        "classes": class_lines(figures, colours),
        "spread": facts.details.spread.get(task) if facts.first else None,
    }


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=True, default_flow_style=None, allow_unicode=True, width=110))


def _place(source: Path, target: Path) -> None:
    """A hard link to the weights where the file system has them, or else a copy; either replaces an older one.

    Of the file itself, where DVC's cache puts a symbolic link in its place: the folder is made to be copied.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        temporary.unlink()
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def _card_name(facts: CardFacts) -> str:
    """Name of the model, e.g. `flairhub-LC-D`, with the seed where it is not the row's first."""
    return f"flairhub-{facts.row}" + ("" if facts.first else f"-seed-{facts.seed}")


def _front_matter(facts: CardFacts, origin: Origin, licence: Licence) -> str:
    """YAML between the two lines of hyphens, with a final line break; the same facts give the same text."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        model_name=_card_name(facts),
        license=licence.license,
        license_name=licence.name,
        license_link=licence.link,
        library_name="flairhub",
        pipeline_tag=_PIPELINE,
        datasets=[origin.dataset] if origin.on_hub else None,
        metrics=[metric for metric, _ in _METRICS.values()],
        tags=_tags(facts),
        eval_results=list(_results(facts, origin)),
    )
    return data.to_yaml(line_break="\n") + "\n"


def _tags(facts: CardFacts) -> list[str]:
    tasks = [_TASK_TAGS[task] for task in facts.contract.tasks]
    general = ["flairhub", "flair-hub", "earth-observation", "remote-sensing", "semantic-segmentation"]
    return [*general, *tasks, *facts.contract.modalities]


def _results(facts: CardFacts, origin: Origin) -> Iterator[EvalResult]:
    """The defined figures; those of different labels would be taken for one evaluation but for `dataset_config`."""
    from huggingface_hub import EvalResult

    for task, details in facts.details.tasks.items():
        figures = {"oa": details.published.oa, "miou": details.published.miou}
        for figure, (metric, name) in _METRICS.items():
            value = figures[figure]
            if value is not None:
                yield EvalResult(
                    task_type=_PIPELINE,
                    task_name=section_title(task, details.level),
                    dataset_type=origin.dataset,
                    dataset_name=origin.name,
                    dataset_config=task,
                    dataset_split="test",
                    metric_type=metric,
                    metric_name=name,
                    metric_value=round(value, 4),
                )
