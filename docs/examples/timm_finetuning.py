"""Fine-tune a timm model with layer-wise lr decay, and audit the parameter groups before the first step."""

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch.nn.functional import cross_entropy

import lrdecay_cli

# A ViT that is small enough to train in a second. For pretrained weights, use pretrained=True.
model = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=4, embed_dim=24, num_heads=2, num_classes=3)
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.7)
# timm stores the decay in the groups as lr_scale. Only timm's own schedulers multiply the lr by lr_scale.
scheduler = CosineLRScheduler(optimizer, t_initial=4, warmup_t=1, warmup_lr_init=1e-6)

group_map = lrdecay_cli.audit_optimizer(model, optimizer, schedulers=scheduler, name="vit_tiny")
print(group_map)
lrdecay_cli.check(group_map).raise_on_failure()

model.train()
for epoch in range(2):
    images, labels = torch.rand(4, 3, 32, 32), torch.randint(3, (4,))
    optimizer.zero_grad()
    cross_entropy(model(images), labels).backward()
    optimizer.step()
    scheduler.step(epoch + 1)
