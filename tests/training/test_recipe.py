import tomllib

import pytest

from vsfdat.errors import TrainingError
from vsfdat.training.recipe import RECIPE_FOLDER, parse_recipe, read_recipe


@pytest.mark.parametrize("name", sorted(file.stem for file in RECIPE_FOLDER.glob("*.toml")))
def test_every_embedded_recipe_is_readable_by_its_name(name):
    recipe = read_recipe(name)
    assert recipe.network.preset is None or recipe.network.overrides["scale"] in (1, 2)
    assert sum(recipe.sampling.styles.values()) == pytest.approx(1)
    assert sum(recipe.downscale.kernels.values()) == pytest.approx(1)


def test_what_a_recipe_leaves_out_has_defaults():
    recipe = parse_recipe(tomllib.loads("[optimizer]\nbetas = [0.8, 0.9]\n[degrade.codecs]\nh264 = [18, 30]"))
    assert recipe.optimizer.betas == (0.8, 0.9)
    assert recipe.degrade.codecs == {"h264": (18, 30)}
    assert recipe.sampling.patch == 48


def test_a_recipe_that_does_not_exist_is_named_beside_those_that_do():
    with pytest.raises(TrainingError, match=r"config must be a recipe file or one of .*fdat-tiny-2x.*, passed 'none'"):
        read_recipe("none")


def test_a_file_that_is_no_toml(tmp_path):
    (tmp_path / "bad.toml").write_text("patch: 3")
    with pytest.raises(TrainingError, match=r"bad\.toml is not valid TOML: "):
        read_recipe(tmp_path / "bad.toml")
