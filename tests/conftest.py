"""The real stack for every test: compiled kernels that this machine lacks are stood in for, as lrdecay itself does."""

from lrdecay_cli.openmmlab.stand_ins import install_stand_ins

install_stand_ins()
