import torch

from vsfdat.arch import FDAT
from vsfdat.engine import build
from vsfdat.engine.planes import PerPlane

CPU = torch.device("cpu")


def test_one_channel_runs_on_each_plane() -> None:
    torch.manual_seed(0)
    gray = FDAT(num_in_ch=1, num_out_ch=1, scale=2, embed_dim=8, num_heads=2, num_groups=1, depth_per_group=1)
    engine = build(gray, device=CPU, precision="fp32", kind="reference")()
    frame = torch.rand(3, 9, 11)
    picture = PerPlane(engine)(frame)
    assert picture.shape == (3, 18, 22)
    for index in range(3):
        torch.testing.assert_close(picture[index], engine(frame[index : index + 1])[0])
