"""What the configs beside it use: constructors and a model that no package has."""

from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, OptimWrapperDict
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn
from torch.optim import SGD, AdamW


@MODELS.register_module(force=True)
class PlainPair(BaseModel):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)
        self.head.bias.requires_grad_(False)

    def forward(self, *args, **kwargs):
        return {}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class WithTemperature(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        params.append(dict(params=[*module.backbone.parameters(), *nn.Linear(1, 1).parameters()]))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class TwoOptimizers:
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        pass

    def __call__(self, model):
        return OptimWrapperDict(
            body=OptimWrapper(AdamW(model.backbone.parameters(), lr=1e-3, weight_decay=0.05)),
            top=OptimWrapper(SGD(model.head.parameters(), lr=1e-2)),
        )
