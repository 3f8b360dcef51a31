from vsfdat.quality.tables import table_head, table_row


def test_a_table_is_markdown():
    lines = [*table_head("PSNR", ["bicubic", "ours"]), table_row("kodak", "30.85", "33.60")]
    assert lines == ["| PSNR | bicubic | ours |", "|---|---|---|", "| kodak | 30.85 | 33.60 |"]
