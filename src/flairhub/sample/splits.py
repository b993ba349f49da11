"""The split columns of the embedded data set."""

from __future__ import annotations

from flairhub.config.pipeline import SampleParams
from flairhub.sample.layout import Domain, Roi, all_rois

FOLDS = ("split_1", "split_2", "split_3", "split_4", "split_5", "split_flairchallenge")
"""Columns as in the published table. `split_1` is the benchmark's."""


def split_columns(domains: tuple[Domain, ...], params: SampleParams) -> dict[str, dict[str, str]]:
    """Fold -> patch id -> `train`, `valid` or `test`.

    Test patches are whole domains: in `split_1` the last `test_domains`, in every further fold the ones before,
    going round. Valid patches are whole regions of the other domains, of different land types.
    """
    return {fold: _fold(domains, params, number) for number, fold in enumerate(FOLDS)}


def _fold(domains: tuple[Domain, ...], params: SampleParams, number: int) -> dict[str, str]:
    total = len(domains)
    first = params.train_domains - number * params.test_domains
    test = {domains[(first + step) % total].token for step in range(params.test_domains)}
    rest = tuple(domain for domain in domains if domain.token not in test)
    valid = {roi.key for roi in _valid_rois(rest, params, number)}
    split = {}
    for roi in all_rois(domains):
        value = "test" if roi.domain in test else "valid" if roi.key in valid else "train"
        split.update({str(patch): value for patch in roi.patches})
    return split


def _valid_rois(domains: tuple[Domain, ...], params: SampleParams, number: int) -> list[Roi]:
    """About `valid_share` of the regions, at least one and never all, walking domains and land types together."""
    available = sum(len(domain.rois) for domain in domains)
    wanted = min(max(1, round(params.valid_share * available)), available - 1)
    order = domains[0].rois[0].domain_stream(f"valid/{number}").permutation(params.rois_per_domain)
    rounds = len(order)
    # Round r takes, in domain d, the (r + d * wanted_per_domain)-th region of the order: different land types.
    per_domain = -(-wanted // len(domains))
    chosen = [
        domain.rois[order[(turn + position * per_domain) % rounds]]
        for turn in range(rounds)
        for position, domain in enumerate(domains)
    ]
    return chosen[:wanted]
