import pytest

from vsfdat.errors import TrainingError
from vsfdat.training.recipe import read_recipe


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[optimiser]", "the recipe may hold network, sampling, downscale, degrade, clips, optimizer, loss, run, "
                        "passed 'optimiser'"),
        ("[loss]\nspectrum = 1", "loss may hold pixel, frequency, perceptual, steady, aligned, passed 'spectrum'"),
        ("[loss]\npixel = 'l3'", "pixel must be one of l1, l2, passed 'l3'"),
        ("[sampling]\npatch = 0", "patch must be at least 1, passed 0"),
        ("[run]\nstart_share = 50", "start_share must be a share of 0 to 1, passed 50"),
        ("[downscale]\nlight = 'dark'", "light must be one of gamma, linear, passed 'dark'"),
        ("[degrade]\ncodecs = { vp9 = [1, 2] }", "codecs may hold h264, mpeg2, jpeg, yuv420, passed 'vp9'"),
        ("network = 3", "network must be a table, passed 3"),
        ("[sampling]\npatch = '48'", "patch must be a whole number, passed '48'"),
        ("[sampling]\npatch = true", "patch must be a whole number, passed True"),
        ("[sampling]\nbatch = 8.5", "batch must be a whole number, passed 8.5"),
        ("[optimizer]\nlr = nan", "lr must be a number, passed nan"),
        ("[optimizer]\nbetas = 0.9", "betas must be two numbers in brackets, passed 0.9"),
        ("[run]\ncompile = 'yes'", "compile must be true or false, passed 'yes'"),
        ("[network]\npreset = 3", "preset must be a word in quotes, passed 3"),
        ("[network]\noverrides = { scale = '2' }", "scale must be a whole number, passed '2'"),
        ("[network]\noverrides = { group_block_pattern = 3 }",
         "group_block_pattern must be words in brackets, passed 3"),
        ("[degrade]\nblur = [0.5]", "blur must be two numbers in brackets, passed [0.5]"),
        ("[degrade.codecs]\nh264 = 20", "h264 must be two numbers in brackets, passed 20"),
        ("[degrade.codecs]\nh264 = [30, 18]", "h264 must be two numbers from 0 up, the smaller first, passed [30, 18]"),
        ("[downscale]\nkernels = 'bicubic'", "kernels must be a table, passed 'bicubic'"),
        ("[downscale]\nkernels = { area = 'all' }", "area must be a number, passed 'all'"),
        ("[downscale]\nkernels = { bicubic = 0 }",
         "kernels must hold shares of at least 0, one of them above 0, passed {'bicubic': 0}"),
        ("[sampling]\nstyles = { photo = 1, line = -1 }",
         "styles must hold shares of at least 0, one of them above 0, passed {'photo': 1, 'line': -1}"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path, text, mistake):
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_recipe(file)
    assert str(caught.value) == f"my.toml: {mistake}"
