import io
from dataclasses import asdict, replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.fast_loop import parametrize
from vsfdat.arch import FDAT, PRESETS
from vsfdat.errors import TrainingError
from vsfdat.models import load_model
from vsfdat.training.clips import ClipSampler
from vsfdat.training.crops import load_crops
from vsfdat.training.export import export_model
from vsfdat.training.recipe import parse_recipe
from vsfdat.training.sampler import PatchSampler
from vsfdat.training.trainer import Clock, Trainer, network_config

NETWORK = {"scale": 2, "embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2, "window_size": 4,
           "drop_path_rate": 0.0}  # fmt: skip


@pytest.fixture
def build(data):
    """A trainer of a tiny network; keyword arguments replace tables of the recipe."""

    def make(workers=1, budget_seconds=None, overrides=NETWORK, **tables):
        recipe = parse_recipe(
            {
                "network": {"overrides": overrides},
                "sampling": {"patch": 16, "batch": 4},
                "optimizer": {"name": "muon", "lr": 2e-3, "muon_lr": 2e-3, "warmup_steps": 2, "ema_decay": 0.9},
                "run": {"steps": 6},
                **tables,
            }
        )
        device = torch.device("cpu")
        sampler = PatchSampler(load_crops(data, 2, recipe.downscale), recipe, device)
        return Trainer(
            network_config(recipe.network), recipe, sampler, device, budget_seconds=budget_seconds, workers=workers
        )

    return make


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.slow
@parametrize("workers", [1, 2], quick=[2])
@parametrize("name", ["adamw", "muon"], quick=["muon"])
def test_a_resumed_run_gives_the_same_bits(build, workers, name):
    facts = {"optimizer": {"name": name, "warmup_steps": 2}, "sampling": {"patch": 16, "batch": 4}}
    whole = build(workers, **facts)
    losses = [whole.train_step() for _ in range(6)]

    first, second = build(workers, **facts), build(workers, **facts)
    again = [first.train_step() for _ in range(3)]
    second.load(through_a_file(first.state()))
    again += [second.train_step() for _ in range(3)]

    assert again == losses
    assert second.step == 6
    for key in ("module", "average"):
        pairs = zip(whole.state()[key].values(), second.state()[key].values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_dropout_resumes_too(build):
    overrides = {**NETWORK, "drop_path_rate": 0.5}
    whole = build(overrides=overrides)
    losses = [whole.train_step() for _ in range(4)]
    first, second = build(overrides=overrides), build(overrides=overrides)
    again = [first.train_step() for _ in range(2)]
    second.load(through_a_file(first.state()))
    assert again + [second.train_step() for _ in range(2)] == losses


def test_workers_share_a_batch_without_changing_its_gradients(build):
    single, shared = (build(workers, run={"steps": 6, "precision": "fp32"}) for workers in (1, 2))
    torch.testing.assert_close(shared.train_step(), single.train_step(), rtol=1e-5, atol=0)
    for a, b in zip(single.module.parameters(), shared.module.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_it_learns(build):
    trainer = build(run={"steps": 40})
    losses = [trainer.train_step() for _ in range(40)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert trainer.progress == 1


def test_a_time_budget_replaces_the_steps(build):
    trainer = build(budget_seconds=1.0)
    trainer.clock.worked_seconds = 0.25
    assert trainer.progress == 0.25


def test_a_pause_is_not_work():
    clock = Clock()
    for _ in range(10):
        clock.tick(0.5)
    clock.tick(3600)
    assert clock.worked_seconds == pytest.approx(5 + 2.5)


class Reads(TorchDispatchMode):
    """Count the numbers that Python reads from tensors: each waits for a GPU."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(keywords or {}))


@pytest.mark.slow
def test_a_gpu_is_waited_for_one_step_later_and_not_before(build, monkeypatch):
    class Event:
        def record(self, stream):
            seen.append(("queued", self))

        def synchronize(self):
            seen.append(("waited", self))

    seen, trainer = [], build()
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    trainer.device = torch.device("cuda")  # of all that a step does, only the waiting asks for it
    with Reads() as reads:
        for _ in range(3):
            trainer.train_step()
    assert reads.count == 0
    first, second, third = (event for what, event in seen if what == "queued")
    assert seen == [("queued", first), ("queued", second), ("waited", first), ("queued", third), ("waited", second)]


def test_starting_from_another_network_is_refused(build):
    with pytest.raises(TrainingError, match="the weights to start from do not fit the recipe's network"):
        build().start_from(build(overrides={**NETWORK, "embed_dim": 32}).module.state_dict())


def test_a_network_of_another_scale_gives_its_blocks(build):
    start = build(overrides={**NETWORK, "scale": 4}).module.state_dict()
    trainer = build()
    random_head = {name: t.clone() for name, t in trainer.module.upsampler.state_dict().items()}
    trainer.start_from(start)
    for name, tensor in trainer.module.groups.state_dict().items():
        torch.testing.assert_close(tensor, start[f"groups.{name}"], rtol=0, atol=0)
    assert any(torch.equal(random_head[name], t) for name, t in trainer.module.upsampler.state_dict().items())
    assert torch.equal(trainer.average.state["conv_first.weight"], start["conv_first.weight"])


def test_a_network_with_another_head_stays_what_it_is(build, tmp_path):
    start = build().module.state_dict()
    trainer = build(overrides={**NETWORK, "upsampler_type": "pixelshuffledirect"})
    trainer.start_from(start)
    export_model(trainer.result(), tmp_path / "model.safetensors", {})
    assert load_model(tmp_path / "model.safetensors").config.upsampler_type == "pixelshuffledirect"


@pytest.mark.slow
def test_what_is_saved_keeps_a_share_of_the_start(build):
    start = build(overrides={**NETWORK, "scale": 4}).module.state_dict()
    trainer, again = (build(run={"steps": 3, "start_share": 0.25}) for _ in range(2))
    trainer.start_from(start)
    trainer.train_step()
    again.load(through_a_file(trainer.state()))
    for name, saved in again.result().items():
        averaged = trainer.average.state[name]
        fits = name in start and start[name].shape == averaged.shape and averaged.is_floating_point()
        torch.testing.assert_close(saved, 0.75 * averaged + 0.25 * start[name] if fits else averaged)
    assert not torch.equal(again.result()["conv_first.weight"], trainer.average.state["conv_first.weight"])


def test_workers_and_dropout_are_refused(build):
    with pytest.raises(TrainingError, match="several workers need drop_path_rate and drop_rate 0"):
        build(workers=2, overrides={**NETWORK, "drop_path_rate": 0.1})


def test_workers_that_cannot_share_a_batch(build):
    with pytest.raises(TrainingError, match="workers must divide the batch of 4, passed 3"):
        build(workers=3)


def test_hyper_parameters_that_contradict_each_other(build):
    with pytest.raises(TrainingError, match="the recipe's network: embed_dim must be a multiple of num_heads"):
        build(overrides={**NETWORK, "num_heads": 3})


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers(build, workers):
    with pytest.raises(TrainingError) as caught:
        build(workers=workers)
    assert str(caught.value) == f"workers must be at least 1, passed {workers}"


@pytest.fixture
def build_temporal(data):
    """A trainer of a tiny temporal network, from an FDAT that begins at random."""

    def make(**run):
        recipe = parse_recipe(
            {
                "network": {"temporal": True, "overrides": NETWORK | {"flow_base_ch": 4}},
                "sampling": {"patch": 16, "batch": 4},
                "optimizer": {"name": "muon", "warmup_steps": 2},
                "loss": {"aligned": 0.1},
                "run": {"precision": "fp32", **run},
            }
        )
        device = torch.device("cpu")
        sampler = ClipSampler(load_crops(data, 2, recipe.downscale), recipe, device)
        trainer = Trainer(network_config(recipe.network), recipe, sampler, device)
        torch.manual_seed(3)
        trainer.start_from(FDAT(replace(PRESETS["fdat_tiny"], **NETWORK, unshuffle_mod=True)).state_dict())
        return trainer

    return make


@pytest.mark.slow
def test_the_first_steps_change_the_flow_alone(build_temporal):
    trainer = build_temporal(align_steps=2)
    changed = []
    for _ in range(3):
        before = {name: tensor.clone() for name, tensor in trainer.module.named_parameters()}
        trainer.train_step()
        changed.append(
            {n.split(".")[0] for n, tensor in trainer.module.named_parameters() if (tensor != before[n]).any()}
        )
    assert changed[:2] == [{"flow_net"}] * 2
    assert {"flow_net", "groups", "temporal_fuse", "conv_first", "upsampler"} <= changed[2]


def test_what_a_temporal_run_saves_keeps_a_share_of_the_start_but_not_of_the_flow(build_temporal):
    trainer = build_temporal(start_share=1.0)
    began = {name: tensor.clone() for name, tensor in trainer.module.state_dict().items()}
    trainer.train_step()
    kept = {name.split(".")[0] for name, tensor in trainer.result().items() if torch.equal(tensor, began[name])}
    assert {"groups", "temporal_fuse", "conv_first", "upsampler"} <= kept
    assert not torch.equal(trainer.result()["flow_net.flow_pred.weight"], began["flow_net.flow_pred.weight"])


def test_a_temporal_recipe_makes_its_start_temporal_and_no_other(build):
    from vsfdat.arch import FDATConfig, TFDATConfig

    facts = parse_recipe({"network": {"temporal": True, "overrides": {"scale": 2, "flow_base_ch": 8}}}).network
    assert network_config(facts) == TFDATConfig(
        **asdict(PRESETS["fdat_tiny"]) | {"scale": 2, "flow_base_ch": 8, "unshuffle_mod": True}
    )
    assert type(network_config(parse_recipe({}).network, FDATConfig(scale=2))) is FDATConfig
    with pytest.raises(TrainingError, match=r"overrides may hold .*passed 'flow_base_ch'"):
        parse_recipe({"network": {"overrides": {"flow_base_ch": 8}}})
