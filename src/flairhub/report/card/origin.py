"""Which data a row's figures and weights come from, proven by its receipt, and the licence that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flairhub.catalog.hub import HUB_REPO, hub_archives
from flairhub.catalog.names import parse_archive
from flairhub.config.recipe import RELEASED, TRAINED
from flairhub.records.receipt import Receipt
from flairhub.sample.layout import FIRST_DOMAIN

ETALAB = "https://www.etalab.gouv.fr/wp-content/uploads/2018/11/open-licence.pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the patches of a row come from."""

    name: str
    """For people, e.g. `FLAIR-HUB`."""
    dataset: str
    """Identifier in the model index; an id of the Hub where the data set is there."""
    on_hub: bool
    """Whether `dataset` is an id of the Hub."""
    statement: str
    """One sentence: what the figures can be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """Terms of a weights file, in the words of the Hub's metadata."""

    license: str
    name: str | None = None
    """Only beside `other`."""
    link: str | None = None
    """Only beside `other`."""
    statement: str
    """One or two sentences."""


PUBLISHED = Origin(
    name="FLAIR-HUB",
    dataset=HUB_REPO,
    on_hub=True,
    statement="Every archive has the checksum of the published data set: figures on the whole test split can stand "
    "beside the published benchmark.",
)
TOY = Origin(
    name="FLAIR-HUB toy set",
    dataset=HUB_REPO,
    on_hub=True,
    statement="The toy set is a small extract of FLAIR-HUB: these figures are not comparable with the published "
    "benchmark.",
)
SAMPLE = Origin(
    name="flairhub sample",
    dataset="flairhub-sample",
    on_hub=False,
    statement="The sample is a small invented landscape that flairhub draws in the layout of FLAIR-HUB: these figures "
    "show that the pipeline works and say nothing about real images.",
)
OTHER = Origin(
    name="archives in the layout of FLAIR-HUB",
    dataset="local-archives",
    on_hub=False,
    statement="The archives are not the published ones: these figures are not comparable with the published benchmark.",
)


def data_origin(receipt: Receipt) -> Origin:
    """Where a row's patches come from: checksums and names of its archives decide, then the profile."""
    archives = receipt.archives
    published = hub_archives()
    if archives and all(published.get(name) == sha256 for name, sha256 in archives.items()):
        return PUBLISHED
    domains = [found.domain for name in archives if (found := parse_archive(name)) is not None]
    if domains and all(_is_drawn(domain) for domain in domains):
        return SAMPLE
    return TOY if receipt.profile == "toy" else OTHER


def _is_drawn(domain: str) -> bool:
    """Whether a domain is one of the sample's: its number is no French department."""
    number = re.fullmatch(r"D(\d{3})", domain)
    return number is not None and int(number[1]) >= FIRST_DOMAIN


def weights_licence(receipt: Receipt, origin: Origin) -> Licence:
    """The licence of a row's weights, which are learnt from data of this origin."""
    weights = receipt.weights
    if weights == RELEASED or (weights == TRAINED and origin.on_hub):
        who = "published by IGN" if weights == RELEASED else "learnt from data of IGN"
        return Licence(
            license="etalab-2.0",
            statement=f"The weights are {who}, under [Licence Ouverte / Open Licence Etalab 2.0]({ETALAB}). "
            'Attribution: "FLAIR-HUB, IGN, Licence Ouverte 2.0".',
        )
    if weights == TRAINED and origin is SAMPLE:
        return Licence(
            license="apache-2.0",
            statement="The weights are learnt from drawn data alone and are, like flairhub, under Apache-2.0. "
            "No data of IGN is in them.",
        )
    source = "the training data" if weights == TRAINED else f"the weights file {weights}"
    return Licence(
        license="other",
        name=f"licence-of-{'the-training-data' if weights == TRAINED else 'the-given-weights'}",
        link="README.md#licence-and-attribution",
        statement=f"The terms are those of {source}, which flairhub does not know: state them here before you share "
        "the file.",
    )
