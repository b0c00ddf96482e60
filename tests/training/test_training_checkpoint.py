import json
import os
import resource
import zipfile
from dataclasses import asdict, replace
from hashlib import sha256

import numpy as np
import pytest
import torch

from coreset_cli.errors import (
    ArtifactError,
    ArtifactIncomplete,
    DiskFull,
    FileMissing,
    NotFinite,
    SchemaMismatch,
)
from coreset_cli.training.checkpoint import (
    Card,
    checkpoint_digest,
    load_checkpoint,
    save_checkpoint,
)
from coreset_cli.training.networks import build, network_spec

CARD = Card(
    network="convnet:width=4,norm=batch",
    classes=("cat", "dög"),
    channels=3,
    size=8,
    mean=(0.5, 0.25, 0.125),
    std=(0.2, 0.3, 0.4),
    recipe={"name": "quick", "milestones": [3, 5]},
    epoch=7,
    seed=3,
    labels="worse_label",
    train={"path": "train.parquet", "rows": 12},
    facts={"test_accuracy": 0.75},
)


def make(text=CARD.network):
    return build(network_spec(text), classes=2, channels=3, size=8, seed=1)


@pytest.fixture
def saved(tmp_path):
    network = make()
    network(torch.randn(6, 3, 8, 8))  # running statistics that are not those of the start
    save_checkpoint(tmp_path / "net.pt", network, CARD)
    return tmp_path / "net.pt", network.eval()


def rewritten(path, **changes):
    """The content of a checkpoint with some parts replaced; none taken out."""
    content = torch.load(path, weights_only=True)
    torch.save({k: v for k, v in {**content, **changes}.items() if v is not None}, path)


def with_card(path, **changes):
    content = torch.load(path, weights_only=True)
    card = json.dumps({**json.loads(content["card"]), **changes})
    rewritten(path, card=card, digest=digest_of(card, content["state"]))


def with_weight(path, name, tensor):
    state = torch.load(path, weights_only=True)["state"]
    rewritten(path, state={**state, name: tensor})


def test_a_network_comes_back_as_it_was(saved):
    path, network = saved
    loaded, card = load_checkpoint(path)
    assert card == CARD
    assert not loaded.training
    pictures = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(loaded(pictures), network(pictures))
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert not any(tensor.is_meta for tensor in loaded.state_dict().values())


def test_a_loaded_network_can_be_trained(saved):
    loaded, _ = load_checkpoint(saved[0])
    loaded.train()(torch.randn(4, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_loading_leaves_the_global_generator(saved):
    before = torch.random.get_rng_state()
    load_checkpoint(saved[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_file_holds_tensors_and_text_only(saved):
    with zipfile.ZipFile(saved[0]) as archive:
        pickled = archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))
    assert b"coreset_cli" not in pickled


def test_digest_is_of_card_and_weights_not_of_the_container(saved, tmp_path):
    path, network = saved
    digest = checkpoint_digest(path)
    again = tmp_path / "other name.pt"
    save_checkpoint(again, network.to(memory_format=torch.channels_last), CARD)
    assert checkpoint_digest(again) == digest
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(again, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename.replace("archive", "x"), old.read(entry))
    assert again.read_bytes() != path.read_bytes()
    assert checkpoint_digest(again) == digest

    save_checkpoint(again, network, replace(CARD, epoch=8))
    assert checkpoint_digest(again) != digest
    with torch.no_grad():
        network.head.bias[1] += 1e-6
    save_checkpoint(again, network, CARD)
    assert checkpoint_digest(again) != digest


def digest_of(card, state):
    digest = sha256(card.encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(np.asarray(tensor.tolist(), dtype=tensor.numpy().dtype).tobytes())
    return digest.hexdigest()


def test_digest_by_hand(saved):
    path, network = saved
    card = json.dumps(asdict(CARD), sort_keys=True, ensure_ascii=False)
    assert checkpoint_digest(path) == digest_of(card, network.state_dict())


def test_a_network_that_diverged_is_not_written(tmp_path):
    network = make()
    with torch.no_grad():
        network.head.weight[0, 0] = float("nan")
    with pytest.raises(NotFinite, match=r"head\.weight.*diverged"):
        save_checkpoint(tmp_path / "net.pt", network, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(saved):
    path, network = saved
    old = path.read_bytes()
    with pytest.raises(FileMissing):
        save_checkpoint(path.parent / "no folder" / "net.pt", network, CARD)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(DiskFull):
            save_checkpoint(path, network, replace(CARD, epoch=8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == ["net.pt"]


def test_no_file(tmp_path):
    with pytest.raises(FileMissing, match="no such file"):
        load_checkpoint(tmp_path / "net.pt")
    with pytest.raises(FileMissing, match="is a folder"):
        load_checkpoint(tmp_path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_program_in_the_file_is_refused_and_not_run(saved, tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    path, _ = saved
    content = torch.load(path, weights_only=True)
    torch.save({**content, "facts": Evil()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ArtifactError) as refused:
        load_checkpoint(path)
    assert refused.value.exit_code == 3
    assert str(path) in str(refused.value)
    assert not (tmp_path / "evil").exists()


def test_a_whole_pickled_module_is_refused(saved):
    path, network = saved
    torch.save(network.head, path)
    with pytest.raises(ArtifactError, match="more than tensors"):
        load_checkpoint(path)


def test_a_compressed_file_is_refused(saved, tmp_path):
    path, _ = saved
    packed = tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(ArtifactError, match="compressed"):
        load_checkpoint(packed)


def test_a_compiled_program_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/constants.pkl", b"")
        archive.writestr("net/data.pkl", b"")
    with pytest.raises(ArtifactError, match="holds a program"):
        load_checkpoint(path)


def test_every_cut_is_refused(saved):
    path, _ = saved
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactIncomplete):
            load_checkpoint(path)


def test_no_damage_is_a_crash(saved):
    path, network = saved
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(120):
        damaged = whole.copy()
        places = rng.integers(len(whole), size=rng.integers(1, 4))
        damaged[places] ^= rng.integers(1, 256, size=len(places)).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            loaded, _ = load_checkpoint(path)
        except ArtifactError:
            refused += 1
        else:  # the damage was to padding, or to a name in the container
            for one, two in zip(
                loaded.state_dict().values(), network.state_dict().values(), strict=True
            ):
                assert torch.equal(one, two)
    assert refused > 40


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", bytes(1000)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ArtifactIncomplete, match="no whole checkpoint"):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize(
    "content", [[1, 2], {"state_dict": {}}, torch.zeros(3), {"format": torch.zeros(2)}]
)
def test_files_of_other_programs_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(SchemaMismatch, match="no checkpoint of coreset"):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize("version", [2, "1", torch.zeros(2), None])
def test_other_versions_are_refused(saved, version):
    rewritten(saved[0], version=version)
    with pytest.raises(SchemaMismatch, match="version"):
        load_checkpoint(saved[0])


@pytest.mark.parametrize(
    "changes", [{"card": None}, {"state": None}, {"card": "[]"}, {"card": "{"}, {"state": {"a": 1}}]
)
def test_missing_parts_are_refused(saved, changes):
    rewritten(saved[0], **changes)
    with pytest.raises(ArtifactError):
        load_checkpoint(saved[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "convnet:width=100000000"},
        {"network": "convnet:width=1" + 30 * "0"},
        {"network": "resnet"},
        {"network": "convnet:width=-1"},
        {"network": 3},
        {"classes": []},
        {"classes": [1, 2]},
        {"classes": ["a"]},
        {"classes": "ab"},
        {"channels": 2},
        {"channels": 1, "mean": [0.5], "std": [0.5]},
        {"channels": 3.0},
        {"size": 3},
        {"size": 1 << 40},
        {"size": 16},
        {"mean": [0.5]},
        {"mean": [0.5, 0.5, None]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"mean": [0.5, 0.5, 10**400]},
        {"std": [0.5, 0.5, 0.0]},
        {"std": [0.5, 0.5, -1]},
        {"recipe": []},
        {"epoch": "7"},
        {"seed": None},
        {"labels": 3},
        {"train": []},
        {"facts": None},
    ],
)
def test_impossible_cards_are_refused(saved, changes):
    with_card(saved[0], **changes)
    with pytest.raises(SchemaMismatch):
        load_checkpoint(saved[0])


def test_cards_of_later_minor_versions_are_read(saved):
    with_card(saved[0], unheard_of=1)
    assert load_checkpoint(saved[0])[1] == CARD


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(3), r"head\.bias is \[3\].*needs \[2\]"),
        (torch.zeros(2, 1), r"head\.bias is \[2, 1\]"),
        (torch.zeros(2, dtype=torch.int64), "torch.int64.*needs.*torch.float32"),
        (torch.zeros(2).half(), "no plain tensor"),
        (torch.zeros(2).to_sparse(), "no plain tensor"),
        (torch.zeros(1).expand(2), "no plain tensor"),
        (torch.zeros(1).expand(1 << 40), "no plain tensor"),
        (torch.zeros(2, device="meta"), "no plain tensor"),
        (torch.tensor([1.0, float("nan")]), r"head\.bias holds NaN or Inf"),
        (torch.tensor([1.0, -float("inf")]), r"head\.bias holds NaN or Inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused(saved, tensor, said):
    with_weight(saved[0], "head.bias", tensor)
    with pytest.raises(ArtifactError, match=said):
        load_checkpoint(saved[0])


def test_weights_of_another_training_are_refused(saved):
    """Torch's container checks no sums; the digest in the file does."""
    with_weight(saved[0], "head.bias", torch.tensor([1.0, 2.0]))
    for read in (load_checkpoint, checkpoint_digest):
        with pytest.raises(ArtifactIncomplete, match="damaged"):
            read(saved[0])


def test_missing_and_foreign_weights_are_refused(saved):
    path, _ = saved
    state = torch.load(path, weights_only=True)["state"]
    with_weight(path, "extra", torch.zeros(1))
    with pytest.raises(SchemaMismatch, match="has no weight extra"):
        load_checkpoint(path)
    del state["head.bias"]
    rewritten(path, state=state)
    with pytest.raises(SchemaMismatch, match=r"head\.bias is missing"):
        load_checkpoint(path)
