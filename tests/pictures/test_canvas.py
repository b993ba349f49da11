"""The file of a picture depends on what is drawn alone."""

from __future__ import annotations

import matplotlib

from flairhub.pictures.canvas import figure_file


def test_a_matplotlibrc_of_the_user_draws_nothing(tmp_path):
    def drawn(name):
        with figure_file(tmp_path / name, (2, 1)) as figure:
            figure.subplots().plot([0, 1], [0, 1])
        return (tmp_path / name).read_bytes()

    plain = drawn("plain.png")
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.grid": True, "savefig.dpi": 20}):
        assert drawn("theirs.png") == plain
