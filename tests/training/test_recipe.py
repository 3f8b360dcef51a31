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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimiser]", "my.toml: the recipe may hold network, sampling, downscale, degrade, optimizer, loss, run, "
                        "passed 'optimiser'"),
        ("[loss]\nspectrum = 1", "my.toml: loss may hold pixel, frequency, perceptual, passed 'spectrum'"),
        ("[loss]\npixel = 'l3'", "my.toml: pixel must be one of l1, l2, passed 'l3'"),
        ("[sampling]\npatch = 0", "my.toml: patch must be at least 1, passed 0"),
        ("[run]\nstart_share = 50", "my.toml: start_share must be a share of 0 to 1, passed 50"),
        ("[downscale]\nlight = 'dark'", "my.toml: light must be one of gamma, linear, passed 'dark'"),
        ("[degrade]\ncodecs = { vp9 = [1, 2] }", "my.toml: codecs may hold h264, mpeg2, jpeg, yuv420, passed 'vp9'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path, text, message):
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_recipe(file)
    assert str(caught.value) == message


def test_a_recipe_that_does_not_exist_is_named_beside_those_that_do():
    with pytest.raises(TrainingError, match=r"config must be a recipe file or one of .*fdat-tiny-2x.*, passed 'none'"):
        read_recipe("none")


def test_a_file_that_is_no_toml(tmp_path):
    (tmp_path / "bad.toml").write_text("patch: 3")
    with pytest.raises(TrainingError, match=r"bad\.toml is not valid TOML: "):
        read_recipe(tmp_path / "bad.toml")
