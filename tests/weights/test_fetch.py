"""Published weights files, from a server on loopback."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save
from segmentation_models_pytorch.encoders import encoders
from tests.loopback import Served

from flairhub.archives.checksums import checksums_of
from flairhub.catalog.released_contracts import released_for_row
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError, IntegrityError, MissingFileError
from flairhub.models.arch import plan_encoder
from flairhub.models.backbone import create_encoder
from flairhub.records.listings import WEIGHTS, ListedFile, write_weights
from flairhub.sources.download import Patience
from flairhub.surroundings import own_weights
from flairhub.weights.fetch import fetch_released, released_file
from flairhub.weights.noted import list_weights

ROOT = Path(__file__).parents[2]
NAME = "FLAIR-HUB_LC-G_utae"
PATH = f"/IGNF/{NAME}/resolve/main/{NAME}.safetensors"
QUICK = Patience(attempts=2, timeout_s=5, backoff_s=0)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(root=tmp_path / "copy", main=tmp_path / "main")


def test_address():
    entry = released_for_row("LC-A")
    name = "FLAIR-HUB_LC-A_IR_swinbase-upernet"
    assert released_file(entry).address == f"https://huggingface.co/IGNF/{name}/resolve/main/{name}.safetensors"


def test_a_file_is_fetched_once_into_the_store(server, workspace):
    server.files[PATH] = Served(b"weights")
    path = fetch_released("LC-G", workspace, endpoint=f"{server.address}/", patience=QUICK)
    assert path == workspace.main / "data" / "weights" / f"{NAME}.safetensors"
    assert path.read_bytes() == b"weights"
    assert fetch_released("LC-G", workspace, endpoint=server.address) == path
    assert [asked for asked, _ in server.requests] == [PATH]


def test_a_mirror_from_the_environment(server, workspace, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.files[PATH] = Served(b"mirrored")
    assert fetch_released("LC-G", workspace, patience=QUICK).read_bytes() == b"mirrored"


def test_a_file_put_there_by_hand_needs_no_network(workspace):
    target = workspace.main / "data" / "weights" / f"{NAME}.safetensors"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    assert fetch_released("LC-G", workspace, endpoint="http://127.0.0.1:9").read_bytes() == b"mine"


def test_what_was_first_fetched_is_noted_and_another_file_refused(server, workspace):
    """The note is in git: whoever clones gets the same bytes, or an error."""
    params = parse_params(
        yaml.safe_load(profile_text(ROOT / "profiles", "sample", rows=["LC-G"], sets=["rows.LC-G.weights=released"])),
        "",
    )
    server.files[PATH] = Served(b"weights")
    path = fetch_released("LC-G", workspace, endpoint=server.address, patience=QUICK)
    noted = list_weights(params, workspace, checksums_of(workspace), {})
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert noted == {"rows.LC-G.weights": ListedFile(name=f"{NAME}.safetensors", sha256=sha256)}
    write_weights(workspace.root / WEIGHTS, noted)
    path.unlink()
    assert list_weights(params, workspace, checksums_of(workspace), noted) == noted  # as in a clone without it
    assert fetch_released("LC-G", workspace, endpoint=server.address, patience=QUICK).read_bytes() == b"weights"
    path.unlink()
    server.files[PATH] = Served(b"others!")
    with pytest.raises(IntegrityError, match=rf"expected sha256 {sha256}, .*weights.json notes the first one"):
        fetch_released("LC-G", workspace, endpoint=server.address, patience=QUICK)
    assert not path.exists()


def test_neither_here_nor_there(server, workspace):
    with pytest.raises(MissingFileError, match=rf"Row LC-G: .*{NAME}.*found neither; .*rows\.LC-G\.weights"):
        fetch_released("LC-G", workspace, endpoint=server.address, patience=QUICK)


def test_a_row_without_a_published_file(workspace):
    with pytest.raises(ConfigurationError, match="row 'LC-C'; published: LC-A, LC-B, LC-D"):
        fetch_released("LC-C", workspace)


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """Checksum of an encoder's tensors."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()


def test_weights_are_fetched_once_and_a_machine_without_network_has_them(server, tmp_path):
    """Through the libraries that the rows train with, in processes of their own: these read variables at the start."""
    encoder = create_encoder(plan_encoder("resnet18-unet", 3, (64, 64), {}), 3, {})
    tensors = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    settings = encoders["resnet18"]["pretrained_settings"]["imagenet"]
    where = f"/{settings['repo_id']}/resolve/{settings['revision']}"
    server.files |= {f"{where}/config.json": Served(b"{}"), f"{where}/model.safetensors": Served(save(tensors))}
    server.files[PATH] = Served(b"published")
    sets = ["model.mono.arch=resnet18-unet", "model.mono.decoder_options={}", "model.mono.encoder_weights=imagenet"]
    text = profile_text(ROOT / "profiles", "sample", rows=["LC-A", "LC-G"], sets=[*sets, "rows.LC-G.weights=released"])
    (tmp_path / "params.yaml").write_text(text)

    def pull(endpoint: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-m", "flairhub.cli.main", "pull", "--weights"],
            cwd=tmp_path,
            env={**kept, "HF_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )

    done = pull(server.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"LC-A: ImageNet weights for resnet18-unet, sha256 {digest(tensors)}",
        f"LC-G: {NAME}.safetensors, sha256 {hashlib.sha256(b'published').hexdigest()}",
    ]
    assert (tmp_path / "data/weights/hub").is_dir()
    assert not list((tmp_path).glob("home/.cache/huggingface/hub/*")), "the store has them"
    asked = len(server.requests)
    offline = pull("http://127.0.0.1:9")
    assert (offline.stdout, offline.returncode) == (done.stdout, 0), offline.stderr
    assert len(server.requests) == asked


def test_without_network_and_store_the_command_is_named(tmp_path):
    sets = ["model.mono.arch=resnet18-unet", "model.mono.decoder_options={}", "model.mono.encoder_weights=imagenet"]
    (tmp_path / "params.yaml").write_text(profile_text(ROOT / "profiles", "sample", rows=["LC-A"], sets=sets))
    done = subprocess.run(
        [sys.executable, "-m", "flairhub.cli.main", "pull", "--weights"],
        cwd=tmp_path,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Expected the ImageNet weights of resnet18" in done.stderr
    assert "`flairhub pull --weights` where there is one" in done.stderr


RESOLVE = """
import sys
from pathlib import Path
from flairhub.surroundings import settle
settle(Path(".flairhub").absolute())
from flairhub.config.workspace import find_workspace
from flairhub.models.pretrained import imagenet_sha256
from flairhub.weights.imagenet_store import keep_imagenet
if sys.argv[1] == "resolve":
    print(imagenet_sha256("resnet18-unet", {}))
    keep_imagenet("resnet18-unet", {}, find_workspace())
elif sys.argv[1] == "again":  # the checksum is known from before, the weights are not here
    keep_imagenet("resnet18-unet", {}, find_workspace())
else:
    print(imagenet_sha256("resnet18-unet", {}))
"""


def test_what_resolve_used_is_where_a_node_without_a_network_or_that_home_finds_it(server, tmp_path):
    encoder = create_encoder(plan_encoder("resnet18-unet", 3, (64, 64), {}), 3, {})
    tensors = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    settings = encoders["resnet18"]["pretrained_settings"]["imagenet"]
    where = f"/{settings['repo_id']}/resolve/{settings['revision']}"
    server.files |= {f"{where}/config.json": Served(b"{}"), f"{where}/model.safetensors": Served(save(tensors))}

    def process(what: str, endpoint: str, home: str, folder: str = "work", **variables: str):
        (tmp_path / folder).mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
        own = {"HF_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path / home)}
        command = [sys.executable, "-c", RESOLVE, what]
        env = {**kept, **own, **variables}
        return subprocess.run(command, cwd=tmp_path / folder, env=env, capture_output=True, text=True, check=False)

    nowhere = "http://127.0.0.1:9"
    assert process("resolve", server.address, "login").stdout.split() == [digest(tensors)]
    assert process("train", nowhere, "node").stdout.split() == [digest(tensors)]
    # a cache that the user has serves a machine without a network, and is taken over
    assert process("resolve", nowhere, "login", "other").stdout.split() == [digest(tensors)]
    assert (tmp_path / "other/data/weights/hub").is_dir()
    # nothing here, and nothing to be had: no failure where nothing needs them, one sentence where something does
    assert process("again", nowhere, "node", "third").returncode == 0
    assert "run `flairhub pull --weights`" in process("train", nowhere, "node", "third").stderr
    mine = {"HF_HUB_CACHE": str(tmp_path / "mine")}
    assert process("resolve", server.address, "node", "fourth", **mine).stdout.split() == [digest(tensors)]
    assert not (tmp_path / "fourth/data/weights").exists()


def test_somebody_s_own_cache_is_left_alone(tmp_path):
    environment: dict[str, str] = {}
    own_weights(tmp_path / "absent", environment)
    assert environment == {}
    own_weights(tmp_path, environment)
    assert environment == {"HF_HUB_CACHE": str(tmp_path)}
    mine = {"HF_HUB_CACHE": "/mine"}
    own_weights(tmp_path, mine)
    assert mine == {"HF_HUB_CACHE": "/mine"}
