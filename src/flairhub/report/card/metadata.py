"""The YAML front matter of a model card, as the Hub reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.report.card.facts import CardFacts
from flairhub.report.card.origin import Licence, Origin
from flairhub.report.table import section_title

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_PIPELINE = "image-segmentation"
_TASK_TAGS = {COSIA: "land-cover", LPIS: "crop-mapping"}
_METRICS = {
    "oa": ("accuracy", "Overall accuracy (O.A.), percent"),
    "miou": ("mean_iou", "Mean IoU (mIoU), percent"),
}
"""Figure -> its metric on the Hub, and a name that says the unit."""


def card_name(facts: CardFacts) -> str:
    """Name of the model, e.g. `flairhub-LC-D`, with the seed where it is not the row's first."""
    return f"flairhub-{facts.row}" + ("" if facts.first else f"-seed-{facts.seed}")


def front_matter(facts: CardFacts, origin: Origin, licence: Licence) -> str:
    """YAML between the two lines of hyphens, with a final line break; the same facts give the same text."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        model_name=card_name(facts),
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
