"""How a row is evaluated, resolved: its own file, so that it never trains a row again.

It lies beside the inputs and not in them. The evaluate stage reads it instead of params.yaml, so that another row's
parameters do not concern it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flairhub.config.base import build
from flairhub.config.params import Params, Provenance
from flairhub.config.resolve import row_evaluation, row_recipe
from flairhub.config.training import EvaluateParams
from flairhub.errors import MissingFileError
from flairhub.files import read_json, write_json

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """What an evaluation needs to know beside the row's inputs."""

    row: str
    profile: str
    """Name of the profile, for the table."""
    evaluation: EvaluateParams
    """With the row's overrides."""
    unknown_choices: Mapping[str, str]
    """See `unknown_choices`."""
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Split -> `LAYER: REASON` -> patches that the row cannot use."""
    audit: Mapping[str, str] = field(default_factory=dict)
    """Check of the audit that found something in what the row reads -> its severity and policy."""


def evaluation_plan(
    params: Params,
    row: str,
    *,
    left_out: Mapping[str, Mapping[str, int]] | None = None,
    audit: Mapping[str, str] | None = None,
) -> EvaluationPlan:
    """The plan of one row of the parameters.

    Args:
        params: all parameters.
        row: identifier of the row.
        left_out: see `EvaluationPlan.left_out`.
        audit: see `EvaluationPlan.audit`.

    Raises:
        ConfigurationError: as `config.resolve.row_recipe`.
    """
    return EvaluationPlan(
        row=row,
        profile=params.profile,
        evaluation=row_evaluation(params, row),
        unknown_choices=unknown_choices(params.provenance, row_recipe(params, row).model_dump(mode="json")),
        left_out=left_out or {},
        audit=audit or {},
    )


def write_plan(path: Path, plan: EvaluationPlan) -> None:
    """Write a plan as JSON."""
    write_json(path, asdict(plan) | {"format": FORMAT, "evaluation": plan.evaluation.model_dump(mode="json")})


def read_plan(path: Path) -> EvaluationPlan:
    """Read a plan.

    Raises:
        MissingFileError: there is none.
    """
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path}, how the row is evaluated, but there is none; run `dvc repro resolve`."
        )
    values = read_json(path)
    return EvaluationPlan(
        row=values["row"],
        profile=values["profile"],
        evaluation=build(EvaluateParams, values["evaluation"], str(path)),
        unknown_choices=values["unknown_choices"],
        left_out=values.get("left_out", {}),
        audit=values.get("audit", {}),
    )


def unknown_choices(provenance: Mapping[str, Provenance], recipe: Mapping[str, Any]) -> dict[str, str]:
    """Choices of the recipe that no source confirms: dotted parameter -> what is not known.

    A choice about a modality that the row does not use is left out.
    """
    return {
        name: f"{choice.status}: {choice.note or choice.source}"
        for name, choice in sorted(provenance.items())
        if choice.status != "confirmed" and _concerns(name, recipe)
    }


def _concerns(name: str, recipe: Mapping[str, Any]) -> bool:
    node: Any = recipe
    for part in name.split("."):
        if not isinstance(node, Mapping):
            return node is not None
        if part not in node:
            return name.split(".", 1)[0] not in recipe  # data stages concern every row
        node = node[part]
    return node is not None
