"""Fixtures of the tests of measuring, which those of training need too, and a run that takes a second."""

from pathlib import Path

import pytest

from tests.quality.conftest import data, single_thread, two_cards
from vsfdat.training.session import Session

__all__ = ["data", "single_thread", "two_cards"]

NETWORK = """
[network]
overrides = { scale = 2, embed_dim = 16, num_groups = 1, depth_per_group = 1, num_heads = 2, drop_path_rate = 0.0 }
"""
REST = """
[sampling]
patch = 16
batch = 2
[optimizer]
warmup_steps = 2
[run]
steps = %d
validate_every = 2
"""


@pytest.fixture
def session(data: Path, tmp_path: Path) -> Session:
    config = tmp_path / "tiny.toml"
    config.write_text(NETWORK + REST % 4)
    return Session(data=data, config=str(config), out=tmp_path / "model.safetensors", validate=data)
