"""The options of ``paramwise_cfg`` that multiply the lr or weight decay of certain parameters.

For example, ``norm_decay_mult`` multiplies the weight decay of norm layers.

Sources: ``add_params`` of the default constructor of mmengine 0.10, and of the layer-decay constructor of mmpretrain
1.2. mmpretrain's constructor has fewer options, and no exception for the layers that compute the offsets of deformable
convolutions. The file of each constructor lists the options that the constructor reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from lrdecay_cli.domain.group_map import Tensor

Target = Literal["lr", "weight_decay"]


class Fit(NamedTuple):
    """Whether an option applies to a parameter, and why."""

    fits: bool
    reason: str
    """Why the option applies or does not apply, for example ``the module is a LayerNorm``."""


class Multiplier(NamedTuple):
    """An option such as ``bias_lr_mult``, which multiplies the lr or weight decay of certain parameters."""

    option: str
    target: Target
    fit: Callable[[Tensor], Fit]
    condition: str
    """What a parameter must be, as text after ``the parameter must``. For example ``be a bias``."""
    exception: str = ""
    """An exception, as text after ``condition``. For example ``, but not in an offset layer``."""


_OF_OFFSETS = "the module computes the offsets of a deformable convolution"


def dimensions_text(tensor: Tensor) -> str:
    """Return a text for the number of dimensions: 0, 1, or more than 1."""
    words = {0: "the tensor is a scalar", 1: "the tensor has one dimension"}
    return words.get(len(tensor.shape), "the tensor has more than one dimension")


def _norm(tensor: Tensor) -> Fit:
    return Fit("norm" in tensor.traits, f"the module is a {tensor.module_type}")


def _bias(tensor: Tensor) -> Fit:
    return Fit(tensor.own == "bias", "the tensor is a bias" if tensor.own == "bias" else "the tensor is not a bias")


def _bias_but_of_norms(tensor: Tensor) -> Fit:
    if tensor.own == "bias" and "norm" in tensor.traits:
        return Fit(False, f"a bias of a norm layer ({tensor.module_type}) is exempt")
    return _bias(tensor)


def _offset(tensor: Tensor) -> Fit:
    if "conv_offset" in tensor.path and {"offset", "conv2d"} <= {*tensor.traits}:
        return Fit(True, _OF_OFFSETS)
    return Fit(False, "the module is not a conv_offset of a deformable convolution")


def _depthwise(tensor: Tensor) -> Fit:
    if "depthwise" in tensor.traits:
        return Fit(True, f"the module is a depth-wise {tensor.module_type}")
    return Fit(False, f"the module is a {tensor.module_type}, not a depth-wise convolution")


def _flat(tensor: Tensor) -> Fit:
    return Fit(len(tensor.shape) == 1, dimensions_text(tensor))


def _but_of_offsets(multiplier: Multiplier, exception: str = ", but not in an offset layer") -> Multiplier:
    def fit(tensor: Tensor) -> Fit:
        fitting = multiplier.fit(tensor)
        return Fit(False, _OF_OFFSETS) if fitting.fits and "offset" in tensor.traits else fitting

    return multiplier._replace(fit=fit, exception=exception)


BIAS_LR = _but_of_offsets(
    Multiplier("bias_lr_mult", "lr", _bias_but_of_norms, "be a bias"), ", but not in a norm or offset layer"
)
DCN_OFFSET_LR = Multiplier("dcn_offset_lr_mult", "lr", _offset, "be a conv_offset of a deformable convolution")
NORM_DECAY = Multiplier("norm_decay_mult", "weight_decay", _norm, "be a parameter of a norm layer")
BIAS_DECAY = Multiplier("bias_decay_mult", "weight_decay", _bias, "be a bias")
BIAS_DECAY_BUT_OF_OFFSETS = _but_of_offsets(BIAS_DECAY)
DWCONV_DECAY = Multiplier("dwconv_decay_mult", "weight_decay", _depthwise, "be a parameter of a depth-wise convolution")
FLAT_DECAY = Multiplier("flat_decay_mult", "weight_decay", _flat, "be a 1-D tensor")
FLAT_DECAY_BUT_OF_OFFSETS = _but_of_offsets(FLAT_DECAY)
