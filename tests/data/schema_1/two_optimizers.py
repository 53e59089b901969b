custom_imports = dict(imports=["parts"])
model = dict(type="PlainPair")
optim_wrapper = dict(
    constructor="TwoOptimizers",
    body=dict(optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05)),
    top=dict(optimizer=dict(type="SGD", lr=1e-2)),
)
param_scheduler = dict(body=dict(type="MultiStepLR", milestones=[2]), top=dict(type="ExponentialLR", gamma=0.5))
train_cfg = dict(by_epoch=True, max_epochs=3)
