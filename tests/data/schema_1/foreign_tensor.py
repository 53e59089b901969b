custom_imports = dict(imports=["parts"])
model = dict(type="PlainPair")
optim_wrapper = dict(constructor="WithTemperature", optimizer=dict(type="SGD", lr=0.1), paramwise_cfg=dict(x=1))
train_cfg = dict(by_epoch=True, max_epochs=3)
