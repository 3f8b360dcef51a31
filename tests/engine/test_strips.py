from vsfdat.engine.strips import Strip, around, cut_strips


def test_strips_cover_every_row_once() -> None:
    for height in (1, 7, 8, 9, 64, 121):
        for rows in (1, 8, 16, 200):
            strips = cut_strips(height, rows, halo=3)
            assert [row for strip in strips for row in range(*strip.core)] == list(range(height))
            assert all(strip.top == max(strip.start - 3, 0) for strip in strips)
            assert all(strip.bottom == min(strip.stop + 3, height) for strip in strips)


def test_a_strip_knows_its_place_in_what_it_needs() -> None:
    assert around((16, 24), height=40, halo=1, align=8) == Strip(16, 24, top=8, bottom=25)
    assert around((16, 24), height=40, halo=1, align=8).inner == (8, 16)
    assert around((0, 40), height=40, halo=1, align=8) == Strip(0, 40, top=0, bottom=40)
