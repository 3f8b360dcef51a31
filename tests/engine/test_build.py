import pytest
import torch

from tests.stand_ins import tiny_fdat
from vsfdat.engine import build


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"^engine must be one of .*, passed 'quick'$"):
        build(tiny_fdat(), device=torch.device("cpu"), precision="fp32", kind="quick")
