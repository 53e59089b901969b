"""The optimizers of mmrazor's ``_base_/settings/imagenet_bs1024_dsnas.py``, on a small model."""

default_scope = "mmpretrain"
custom_imports = {"imports": ["tests.family.search"]}
model = {
    "type": "mmengine.Search",
    "architecture": {
        "type": "mmpretrain.ImageClassifier",
        "backbone": {"type": "mmpretrain.ResNet", "depth": 18, "base_channels": 4, "stem_channels": 4},
        "head": {"type": "mmpretrain.LinearClsHead", "num_classes": 2, "in_channels": 32},
    },
}
optim_wrapper = {
    "constructor": "SeparateOptimWrapperConstructor",
    "architecture": {
        "optimizer": {"type": "SGD", "lr": 0.5, "momentum": 0.9, "weight_decay": 4e-5},
        "paramwise_cfg": {
            "bias_decay_mult": 0.0,
            "norm_decay_mult": 0.0,
            "custom_keys": {"backbone.layer4": {"lr_mult": 0.1, "decay_mult": 2.0}},
        },
    },
    "mutator": {"optimizer": {"type": "Adam", "lr": 0.001, "weight_decay": 0.0, "betas": (0.5, 0.999)}},
}
train_cfg = {"by_epoch": True, "max_epochs": 240}
