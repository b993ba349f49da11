"""The YAML front matter of a model card, as the Hub reads it."""

from __future__ import annotations

from typing import Any

from flairhub.catalog.taxonomies import COSIA, LPIS
from flairhub.records.details import TaskDetails
from flairhub.report.card.facts import CardFacts
from flairhub.report.card.origin import Licence, Origin
from flairhub.report.table import section_title

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
    import yaml

    values: dict[str, Any] = {
        "license": licence.license,
        "license_name": licence.name,
        "license_link": licence.link,
        "library_name": "flairhub",
        "pipeline_tag": "image-segmentation",
        "datasets": [origin.dataset] if origin.on_hub else None,
        "metrics": [metric for metric, _ in _METRICS.values()],
        "tags": _tags(facts),
        "model-index": [
            {
                "name": card_name(facts),
                "results": [
                    result
                    for task, figures in facts.details.tasks.items()
                    if (result := _result(task, figures, origin))["metrics"]
                ],
            }
        ],
    }
    present = {name: value for name, value in values.items() if value is not None}
    return str(yaml.safe_dump(present, sort_keys=False, allow_unicode=True, width=1000))


def _tags(facts: CardFacts) -> list[str]:
    tasks = [_TASK_TAGS[task] for task in facts.contract.tasks]
    general = ["flairhub", "flair-hub", "earth-observation", "remote-sensing", "semantic-segmentation"]
    return [*general, *tasks, *facts.contract.modalities]


def _result(task: str, details: TaskDetails, origin: Origin) -> dict[str, Any]:
    published = {"oa": details.published.oa, "miou": details.published.miou}
    return {
        "task": {"type": "image-segmentation", "name": section_title(task, details.level)},
        "dataset": {"type": origin.dataset, "name": origin.name, "split": "test"},
        "metrics": [
            {"type": metric, "value": round(value, 4), "name": name}
            for figure, (metric, name) in _METRICS.items()
            if (value := published[figure]) is not None
        ],
    }
