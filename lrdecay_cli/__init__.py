"""lrdecay: inspect, compare and guard the parameter groups of OpenMMLab training configs."""

__version__ = "0.1.0"
