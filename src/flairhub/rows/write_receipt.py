"""Writing the receipt of a row, from its files."""

from __future__ import annotations

from flairhub.lineage.keys import code_sha256, eval_key, file_sha256, row_key, seed_keys
from flairhub.maps.geotiff import predictions_sha256
from flairhub.records.environment import EvaluationEnvironment
from flairhub.records.inputs import RowInputs
from flairhub.records.layout import RowFiles
from flairhub.records.plan import EvaluationPlan
from flairhub.records.receipt import Receipt, SeedSums, split_sizes, split_sums, statistics_sum
from flairhub.weights.checkpoints import read_contract


def write_receipt(
    inputs: RowInputs, plan: EvaluationPlan, files: RowFiles, *, parameters: int, environment: EvaluationEnvironment
) -> None:
    """Write the receipt of an evaluated row.

    Args:
        inputs: what the row reads.
        plan: how it was evaluated.
        files: the row's files; all but the receipt exist.
        parameters: parameters of the network by the published counting rule.
        environment: of the evaluation; that of the training is in the weights.
    """
    keys = seed_keys(files.inputs, files.train_code)
    key = row_key(keys)
    first, *further = keys
    evaluation = plan.evaluation.model_dump(mode="json")
    sums = {seed: _sums(files if seed == first else files.of_seed(seed)) for seed in keys}
    receipt = Receipt(
        row=inputs.row,
        profile=plan.profile,
        row_key=key,
        eval_key=eval_key(key, sums[first].weights_sha256, files.evaluate_code, evaluation),
        seeds=keys,
        inputs_sha256=file_sha256(files.inputs),
        code_sha256=code_sha256(files.train_code),
        evaluate_code_sha256=code_sha256(files.evaluate_code),
        weights_sha256=sums[first].weights_sha256,
        confusion_sha256=sums[first].confusion_sha256,
        details_sha256=sums[first].details_sha256,
        robustness_sha256=file_sha256(files.robustness),
        predictions_sha256=predictions_sha256(files.predictions) if plan.evaluation.write_predictions else None,
        further_seeds={seed: sums[seed] for seed in further},
        archives=inputs.archives,
        split_sha256=split_sums(inputs),
        statistics_sha256=statistics_sum(inputs),
        parameters=parameters,
        patches=split_sizes(inputs),
        recipe=inputs.recipe.model_dump(mode="json"),
        evaluation=evaluation,
        training_environment=sums[first].training_environment,
        adoptions=sums[first].adoptions,
        environment=environment,
        unknown_choices=dict(plan.unknown_choices),
        left_out=plan.left_out,
        audit=plan.audit,
    )
    receipt.write(files.receipt)


def _sums(files: RowFiles) -> SeedSums:
    contract = read_contract(files.weights)
    return SeedSums(
        weights_sha256=file_sha256(files.weights),
        confusion_sha256=file_sha256(files.confusion),
        details_sha256=file_sha256(files.details),
        training_environment=contract.environment,
        adoptions=contract.adoptions,
    )
