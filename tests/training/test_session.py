import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.training.conftest import NETWORK, REST
from vsfdat.arch import FDAT, PRESETS, TFDAT
from vsfdat.errors import TrainingError
from vsfdat.models import load_model
from vsfdat.training.logbook import read_log
from vsfdat.training.session import train

BODY = replace(
    PRESETS["fdat_tiny"], scale=2, embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, unshuffle_mod=True
)


@pytest.mark.slow
def test_a_run_leaves_a_model_a_log_and_a_state(session):
    score = train(session)
    lines = read_log(session.out.with_suffix(".tsv"))
    assert [line.step for line in lines] == [2, 4]
    assert lines[-1].psnr == pytest.approx(score.psnr, rel=1e-5)
    assert lines[-1].progress == 1
    assert session.state_file.is_file()
    assert load_model(session.out).config.scale == 2


@pytest.mark.slow
def test_a_recipe_without_a_network_goes_on_with_what_it_starts_from(session, tmp_path):
    train(session)
    config = tmp_path / "further.toml"
    config.write_text("[network]\noverrides = { drop_path_rate = 0.0 }" + REST % 2)
    further = replace(session, config=str(config), start=str(session.out), out=tmp_path / "further.safetensors")
    train(further)
    assert load_model(further.out).config == load_model(session.out).config


@pytest.mark.slow
def test_a_model_file_says_how_it_was_made(session):
    score = train(session)
    with safe_open(session.out, "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["recipe"])["sampling"]["patch"] == 16
    assert json.loads(metadata["data"])["pictures"] == {"line": 4, "photo": 2}
    assert metadata["steps"] == "4"
    assert metadata["started_from"] == "random weights"
    assert metadata["validation"] == f"{score} on data"
    assert "CPU" in metadata["machine"]


@pytest.mark.slow
def test_a_resumed_session_ends_like_an_unbroken_one(session, tmp_path):
    train(session)
    whole = load_file(session.out)
    (tmp_path / "half.toml").write_text(NETWORK + REST % 4)
    resumed = replace(session, out=tmp_path / "resumed.safetensors", config=str(tmp_path / "half.toml"))
    stop_after(resumed, steps=3)
    train(replace(resumed, resume=True))
    assert all(torch.equal(tensor, whole[name]) for name, tensor in load_file(resumed.out).items())
    assert [line.step for line in read_log(resumed.out.with_suffix(".tsv"))] == [2, 4]


@pytest.mark.slow
def test_a_resumed_session_needs_no_start(session, tmp_path):
    train(session)
    config = tmp_path / "further.toml"
    config.write_text("[network]\noverrides = { drop_path_rate = 0.0 }" + REST % 4)
    further = replace(session, config=str(config), start=str(session.out), out=tmp_path / "further.safetensors")
    stop_after(further, steps=3)
    train(replace(further, start=None, resume=True))
    assert load_model(further.out).config == load_model(session.out).config
    with safe_open(further.out, "pt") as file:
        assert file.metadata()["started_from"] == "model.safetensors"


@pytest.mark.slow
def test_a_network_that_does_not_scale_begins_as_the_identity(session):
    config = Path(session.config)
    config.write_text(NETWORK.replace("scale = 2", "scale = 1") + REST % 1)
    score = train(session)
    assert score.psnr > 30  # from random weights: 7.6
    with safe_open(session.out, "pt") as file:
        assert file.metadata()["started_from"] == "the identity and random blocks"


@pytest.mark.slow
def test_another_network_cannot_be_resumed(session):
    stop_after(session, steps=3)
    Path(session.config).write_text(NETWORK.replace("embed_dim = 16", "embed_dim = 32") + REST % 4)
    with pytest.raises(TrainingError, match=r"recipe's network is not the one that .*model\.state\.pt goes on with"):
        train(replace(session, resume=True))


TEMPORAL = NETWORK.replace("overrides = {", "temporal = true\noverrides = { flow_base_ch = 4,")
CLIPS = """
[clips]
length = 5
motions = { still = 1.0, drift = 1.0 }
[loss]
steady = 0.1
aligned = 0.1
""" + REST.replace("patch = 16", "patch = 16\nstyles = { line = 1.0 }")


@pytest.mark.slow
def test_a_temporal_network_starts_from_one_that_is_not_and_resumes(session, tmp_path):
    """Its first two steps teach the flow alone, so that what is learned later is not in the way of comparing."""
    fast = tmp_path / "fast.safetensors"
    save_file(FDAT(BODY).state_dict(), fast)
    config = Path(session.config)
    config.write_text(TEMPORAL + CLIPS % 6 + "align_steps = 2\n")
    whole = replace(session, start=str(fast))
    train(whole)
    model = load_model(whole.out)
    assert isinstance(model, TFDAT)
    assert model.config.flow_base_ch == 4
    resumed = replace(whole, out=tmp_path / "resumed.safetensors")
    stop_after(resumed, steps=3)
    train(replace(resumed, start=None, resume=True))
    weights = load_file(whole.out)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_file(resumed.out).items())


def stop_after(session, steps):
    """Interrupt a session as Ctrl-C does."""
    from vsfdat.training.trainer import Trainer

    step = Trainer.train_step

    def interrupted(self):
        if self.step == steps:
            raise KeyboardInterrupt
        return step(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(session)


@pytest.mark.slow
def test_a_run_starts_from_a_model(session, tmp_path):
    train(session)
    follow = replace(session, out=tmp_path / "follow.safetensors", start=str(session.out))
    train(follow)
    with safe_open(follow.out, "pt") as file:
        assert file.metadata()["started_from"] == "model.safetensors"


@pytest.mark.slow
def test_a_compiled_run_compiles_once_whatever_is_validated_and_saved(session, monkeypatch):
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    config = Path(session.config)
    plain = train(session)
    config.write_text(config.read_text() + "compile = true\nsave_minutes = 0.0\n")
    assert train(session).psnr == pytest.approx(plain.psnr, abs=0.01)
    assert counter.frame_count == 1


def test_a_share_of_no_start_is_refused(session):
    config = Path(session.config)
    config.write_text(config.read_text() + "start_share = 0.3\n")
    with pytest.raises(TrainingError, match=r"run.start_share .* there are none: --start"):
        train(session)


def test_nothing_to_resume(session):
    with pytest.raises(TrainingError, match=r"there is nothing to resume: .*model\.state\.pt does not exist"):
        train(replace(session, resume=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hours": 0.0}, "hours must be above 0, passed 0"),
        ({"hours": -1.0}, "hours must be above 0, passed -1"),
        ({"hours": float("nan")}, "hours must be above 0, passed nan"),
        ({"out": Path("model.pth")}, "out must end in .safetensors, passed model.pth"),
        ({"validate": Path("nowhere")}, "no pictures (.webp, .png, .jpg, .jpeg) in nowhere"),
    ],
)
def test_what_would_show_only_at_the_end_is_refused_first(session, monkeypatch, change, message):
    monkeypatch.setattr("vsfdat.training.session.load_crops", lambda *_: pytest.fail("the work had begun"))
    with pytest.raises(TrainingError) as caught:
        train(replace(session, **change))
    assert str(caught.value) == message


@pytest.mark.slow
def test_work_outlives_an_error(session, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "junk.png").write_bytes(b"junk")
    with pytest.raises(TrainingError, match=r"junk\.png is damaged"):
        train(replace(session, validate=pictures))
    assert torch.load(session.state_file, weights_only=True)["trainer"]["step"] == 2
    train(replace(session, resume=True))
    assert [line.step for line in read_log(session.out.with_suffix(".tsv"))] == [4]


def test_an_error_before_the_first_step_leaves_an_older_model_alone(session, monkeypatch):
    session.out.write_bytes(b"an older model")
    monkeypatch.setattr("vsfdat.training.trainer.Trainer.train_step", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(session)
    assert session.out.read_bytes() == b"an older model"
    assert not session.state_file.exists()
