"""The clone that all others are copies of, the variants of the local folder, and two files of weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.graph.conftest import new_clone, repaint
from tests.graph.fuzz.inputs import ROWS, Material, outside
from tests.graph.fuzz.processes import dvc, flairhub, package

SETS = (
    *("data.sample.train_domains=2", "data.sample.test_domains=1", "data.sample.rois_per_domain=2"),
    *("data.sample.patches_per_roi=1", "data.sample.valid_share=0.5", "data.sample.dates=4"),
    "data.subset.modalities=[AERIAL_RGBI, SENTINEL2_TS, AERIAL_LABEL-COSIA]",
    *("train.epochs=1", "train.validate_every=1", "train.threads=1", "train.global_batch_size=2"),
    *("evaluate.resamples=20", "evaluate.examples=0", "model.mono.encoder_weights=../outside/encoder.pth"),
    "model.mono.decoder_options={}",
)


def make_material(folder: Path) -> Material:
    """All of it, with `flairhub` and `dvc` themselves."""
    material = Material(folder)
    clone = new_clone(material.base)
    (outside(material.base) / "archives").mkdir(parents=True)
    _encoders(material)
    done = flairhub(material.base, "use", "sample", "--force", "--rows", ROWS, "--set", *SETS)
    assert done.status == 0, done.output
    shutil.rmtree(material.base / ".flairhub")
    clone.commit("start")
    _archives(material)
    return material


def copy_base(material: Material, folder: Path) -> None:
    """A fresh clone in which nothing has run, with an empty folder of archives outside."""
    shutil.copytree(material.base, folder, symlinks=True)
    (outside(folder) / "archives").mkdir(parents=True)
    (folder / "local.yaml").write_text(f"data: {outside(folder) / 'archives'}\n")


def _encoders(material: Material) -> None:
    def draw() -> int:
        import torch

        from flairhub.models.arch import plan_encoder
        from flairhub.models.backbone import create_encoder

        for name in "12":
            torch.manual_seed(int(name))
            plan = plan_encoder("test_resnet-unet", 3, (64, 64), {})
            torch.save(create_encoder(plan, 3, {}).state_dict(), material.weights(name))
        return 0

    done = package(material.base, draw)
    assert done.status == 0, done.output


def _archives(material: Material) -> None:
    """Archives as the sample generator draws them, under the names that the source `local` reads."""
    scratch = material.folder / "drawn" / "clone"
    copy_base(material, scratch)
    path = scratch / "params.yaml"
    path.write_text(path.read_text().replace("seed: 2025  ", "seed: 11  ", 1))
    done = dvc(scratch, "repro", "pull")
    assert done.status == 0, done.output
    (metadata,) = (scratch / "data" / "archives").rglob("GLOBAL_ALL_MTD.zip")
    for name in ("whole", "without a domain", "other bytes"):
        shutil.copytree(metadata.parent, material.archives(name))
    domains = sorted({path.name.split("_")[0] for path in metadata.parent.glob("D*_AERIAL_RGBI.zip")})
    assert len(domains) > 2, domains
    for path in material.archives("without a domain").glob(f"{domains[0]}_*"):
        path.unlink()
    repaint(material.archives("other bytes") / f"{domains[0]}_AERIAL_RGBI.zip", lambda pixels: 255 - pixels)
