"""All that what stands may depend on, and how it is put into a clone: parameters, code, a folder, a weights file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

ROWS = "LC-A,LC-G"
CHOICES: dict[str, tuple[str, ...]] = {
    "source": ("sample", "local"),
    "seed": ("2025", "3"),
    "rate": ("0.01", "0.001"),
    "resamples": ("20", "30"),
    "flips": ("true", "false"),
    "own": ("", "    train: {weight_decay: 0.1}\n"),
    "code": ("as it is", "words", "numbers", "facts", "table"),
    "folder": ("whole", "without a domain", "other bytes"),
    "weights": ("1", "2"),
}
"""Field of `Inputs` -> its values, the first of them at the start."""

PARAMETERS = ("source", "seed", "rate", "resamples", "flips", "own")
TRACKED = (*PARAMETERS, "code")
"""What git brings back."""

_OWN = "  LC-G:\n"
_LINES = {
    "source": ("  source: sample ", "  source: {} "),
    "seed": ("    seed: 2025                     # seed of the landscape", "    seed: {}  # seed of the landscape"),
    "rate": ("  learning_rate: 0.01 ", "  learning_rate: {} "),
    "resamples": ("  resamples: 20 ", "  resamples: {} "),
    "flips": ("  flips: true ", "  flips: {} "),
    "own": (_OWN, _OWN + "{}"),
}
_CODE = {
    "words": ("src/flairhub/models/utae.py", '"""', '"""Reworded. '),
    "numbers": ("src/flairhub/training/optimisers.py", "lr=params.learning_rate,", "lr=params.learning_rate / 2,"),
    "facts": ("src/flairhub/facts/patch_facts.py", 'DEM = "DEM_ELEV"\n', 'DEM = "DEM_ELEV"\n_UNUSED = 1\n'),
    "table": ("src/flairhub/report/table.py", "_ROUNDING = 0.05", "_ROUNDING = 0.06"),
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """One value of every choice."""

    source: str = "sample"
    seed: str = "2025"
    rate: str = "0.01"
    resamples: str = "20"
    flips: str = "true"
    own: str = ""
    code: str = "as it is"
    folder: str = "whole"
    weights: str = "1"

    def key(self) -> str:
        """The same for inputs that must give the same: the folder counts where it is the source."""
        same = self if self.source == "local" else replace(self, folder="")
        same = same if self.source == "sample" else replace(same, seed="")
        return hashlib.sha256(json.dumps(asdict(same), sort_keys=True).encode()).hexdigest()[:16]

    def differ(self, other: Inputs) -> set[str]:
        """Names of what differs."""
        return {each.name for each in fields(self) if getattr(self, each.name) != getattr(other, each.name)}

    def with_change(self, chance: random.Random, names: tuple[str, ...]) -> Inputs:
        """Another value of one of these choices."""
        name = chance.choice(names)
        return replace(self, **{name: chance.choice([v for v in CHOICES[name] if v != getattr(self, name)])})


@dataclass(frozen=True, slots=True)
class Material:
    """What clones are made of."""

    folder: Path

    @property
    def base(self) -> Path:
        """A fresh clone with the tiny parameters, committed."""
        return self.folder / "base" / "clone"

    def archives(self, name: str) -> Path:
        """A variant of the folder of `local`."""
        return self.folder / "archives" / name.replace(" ", "-")

    def weights(self, name: str) -> Path:
        """A variant of the weights that LC-A's encoder starts from."""
        return self.folder / f"encoder-{name}.pth"


def put(material: Material, clone: Path, inputs: Inputs, before: Inputs | None = None) -> None:
    """Write inputs into a clone, and beside it what lies outside the repository; only what differs from before.

    Files appear whole, as an editor saves them.
    """
    changed = set(CHOICES) if before is None else inputs.differ(before)
    if changed & set(PARAMETERS):
        _save(clone / "params.yaml", params_text(material, inputs))
    if "code" in changed:
        for name, (path, old, new) in _CODE.items():
            text = (material.base / path).read_text()
            assert old in text, (path, old)
            wanted = text.replace(old, new, 1) if name == inputs.code else text
            if (clone / path).read_text() != wanted:
                _save(clone / path, wanted)
    if "folder" in changed:
        put_folder(material, outside(clone) / "archives", inputs.folder)
    if "weights" in changed:
        shutil.copyfile(material.weights(inputs.weights), outside(clone) / "encoder.pth.part")
        os.replace(outside(clone) / "encoder.pth.part", outside(clone) / "encoder.pth")  # noqa: PTH105 - as `put_folder`


def outside(clone: Path) -> Path:
    """The folder beside a clone for what is not in it; parameters name it relative to the clone."""
    return clone.parent / "outside"


def put_folder(material: Material, folder: Path, name: str) -> None:
    """Make the folder of archives this variant: only files that differ are touched."""
    wanted = {path.name: path for path in material.archives(name).iterdir()}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for file, path in wanted.items():
        place = folder / file
        if not place.is_file() or place.read_bytes() != path.read_bytes():
            shutil.copyfile(path, folder / f".{file}")
            os.replace(folder / f".{file}", place)  # noqa: PTH105 - Path.replace is an event of the fuzzer


def params_text(material: Material, inputs: Inputs) -> str:
    """params.yaml with these values, the comments kept."""
    text = (material.base / "params.yaml").read_text()
    for name, (old, new) in _LINES.items():
        assert text.count(old) == 1, (name, text.count(old))
        text = text.replace(old, new.format(getattr(inputs, name)))
    return text


def _save(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    os.replace(part, path)  # noqa: PTH105 - as `put_folder`
