import pytest
import torch

from vsfdat.arch import FDAT
from vsfdat.training.optimizer import Average, build_optimizers, lr_factor, set_lr
from vsfdat.training.recipe import OptimizerFacts


@pytest.fixture
def network():
    return FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2)


@pytest.mark.parametrize(("name", "count"), [("adamw", 1), ("muon", 2)])
def test_every_parameter_has_one_owner(network, name, count):
    optimizers = build_optimizers(network, OptimizerFacts(name=name))
    owned = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert len(optimizers) == count
    assert sorted(map(id, owned)) == sorted(map(id, network.parameters()))


def test_the_schedule_warms_up_and_follows_a_cosine():
    facts = OptimizerFacts(warmup_steps=10, final_lr=0.1)
    assert lr_factor(0, 0.0, facts) == pytest.approx(0.1)
    assert lr_factor(9, 0.0, facts) == pytest.approx(1)
    assert lr_factor(500, 0.5, facts) == pytest.approx(0.55)
    assert lr_factor(1000, 1.0, facts) == lr_factor(2000, 1.3, facts) == pytest.approx(0.1)


def test_every_group_keeps_its_own_peak(network):
    optimizers = build_optimizers(network, OptimizerFacts(name="muon", lr=2e-4, muon_lr=8e-4))
    set_lr(optimizers, 0.9)
    set_lr(optimizers, 0.5)
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == pytest.approx([1e-4, 4e-4])


def test_the_average_lags_behind_and_arrives():
    module = torch.nn.Linear(2, 2)
    average = Average(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    start = average.state["weight"].clone()
    average.update(1000)
    assert torch.allclose(average.state["weight"], 0.9 * start + 0.1)
    for _ in range(200):
        average.update(1000)
    assert torch.allclose(average.state["weight"], torch.ones(2, 2))
