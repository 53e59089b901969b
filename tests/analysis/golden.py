"""``python -m tests.analysis.golden`` writes the golden file of ``explain`` anew."""

from lrdecay_cli.openmmlab.stubs.kernels import install_stand_ins

if __name__ == "__main__":
    install_stand_ins()
    from tests.analysis.wild_bugs import GOLDEN, answers

    GOLDEN.write_text(answers(), encoding="utf-8")
