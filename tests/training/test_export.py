import pytest
import torch
from safetensors.torch import load_file

from vsfdat.training.session import train


@pytest.mark.slow
def test_a_model_file_is_half_precision_and_whole(session):
    train(session)
    state = load_file(session.out)
    assert state["conv_first.weight"].dtype == torch.float16
    assert state["upsampler.MetaUpsample"].dtype == torch.uint8
    averaged = torch.load(session.state_file, weights_only=True)["trainer"]["average"]
    torch.testing.assert_close(state["conv_first.weight"].float(), averaged["conv_first.weight"], rtol=5e-4, atol=1e-7)
    assert not list(session.out.parent.glob("*.part"))
