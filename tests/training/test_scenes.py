import numpy as np
import pytest

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.training.recipe import parse_recipe
from vsfdat.training.scenes import ClipFacts, Layer, Pose, SceneMaker

SIDE = 32
GROUND, OTHER = draw_picture(0, 96), draw_picture(1, 96)


def scene(seed, middle=4, **facts):
    maker = SceneMaker(ClipFacts(**facts), SIDE, scale=2)
    return maker.make(GROUND, OTHER, middle, np.random.default_rng(seed))


def offsets(made, layer=0):
    """How far each frame is from the middle one, in pixels of the original."""
    path = made.layers[layer].path
    return [(pose.x - path[4].x, pose.y - path[4].y) for pose in path]


def smooth(side):
    from PIL import Image

    y, x = np.mgrid[:side, :side]
    return Image.fromarray(np.stack((2 * x, 2 * y, x + y), axis=2).astype(np.uint8))


def test_a_still_camera_sees_one_drawing():
    made = scene(0, motions={"still": 1})
    assert len({made.drawing(n) for n in range(9)}) == 1
    assert (made.frame(0) == made.frame(8)).all()
    assert made.frame(0).shape == (SIDE, SIDE, 3)


def test_a_pan_moves_by_whole_pixels_of_the_original_and_no_faster_than_allowed():
    paths = [offsets(scene(seed, motions={"pan": 1}, speed=2.0)) for seed in range(20)]
    steps = np.abs(np.diff(paths, axis=1))
    assert (steps == steps.round()).all()
    assert 2 <= steps.max() <= 4  # two pixels of what the network sees
    assert any(len(set(path)) > 5 for path in paths)


@pytest.mark.parametrize("motion", ["drift", "turn", "shake"])
def test_other_motions_know_fractions_of_a_pixel_and_spare_the_middle(motion):
    made = scene(3, motions={motion: 1})
    middle = made.layers[0].path[4]
    assert (middle.zoom, middle.angle) == (1, 0)
    left = middle.x + (96 - SIDE) / 2
    assert left == round(left)
    fractions = [offset % 1 for n, pair in enumerate(offsets(made)) if n != 4 for offset in pair]
    assert any(0.05 < fraction < 0.95 for fraction in fractions)
    assert (made.layers[0].path[8].angle != 0) == (motion == "turn")


def test_the_camera_stays_in_the_picture():
    for seed in range(30):
        made = scene(seed, motions={"pan": 1}, speed=16.0)
        assert all(abs(pose.x) <= (96 - SIDE) / 2 and abs(pose.y) <= (96 - SIDE) / 2 for pose in made.layers[0].path)


def test_a_layer_shows_what_is_where_its_pose_says():
    layer = Layer(smooth(96), [Pose(5, -7), Pose(5.5, -7), Pose(0, 0, zoom=2.0), Pose(0, 0, angle=90)])
    whole, half, zoomed, turned = (np.asarray(layer.seen(n, SIDE)).astype(int) for n in range(4))
    assert (whole[0, 0] == (2 * (32 + 5), 2 * (32 - 7), 64 - 2)).all()
    assert (half[8, 8, 0] - whole[8, 8, 0], half[8, 8, 1] - whole[8, 8, 1]) == (1, 0)
    assert zoomed[8, 24, 0] - zoomed[8, 8, 0] == 16  # 16 pixels show 8 of the picture, 2 steps each
    assert turned[8, 24, 1] - turned[8, 8, 1] == pytest.approx(32, abs=1)
    assert turned[8, 24, 0] == turned[8, 8, 0]


def test_drawings_are_held_for_two_or_three_frames():
    for seed in range(10):
        made = scene(seed, motions={"drift": 1}, held=1.0)
        drawings = [made.drawing(n) for n in range(9)]
        changes = [n for n in range(1, 9) if drawings[n] != drawings[n - 1]]
        assert set(np.diff(changes)) in ({2}, {3})


def test_a_figure_moves_by_itself_before_the_background():
    for seed in range(8):
        made = scene(seed, motions={"still": 1}, figure=1.0)
        assert len(made.layers) == 2
        assert len(set(offsets(made))) == 1
        changed = (made.frame(0) != made.frame(8)).any(axis=2)
        if len(set(made.layers[1].path)) > 1 and changed.any():
            assert not changed.all()
            return
    pytest.fail("no figure has moved")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("seen = 4", "seen must be odd, passed 4"),
        ("seen = 1", "seen must be at least 3, passed 1"),
        ("cut = 1.5", "cut must be a share of 0 to 1, passed 1.5"),
        ("motions = { fly = 1.0 }", "motions may hold still, pan, drift, turn, shake, passed 'fly'"),
    ],
)
def test_facts_that_mean_nothing_are_refused(facts, message):
    import tomllib

    with pytest.raises(TrainingError) as caught:
        parse_recipe({"clips": tomllib.loads(facts)})
    assert str(caught.value) == f"recipe: {message}"
