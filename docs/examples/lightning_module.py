"""Train a Lightning module with layer-wise lr decay, and audit the parameter groups when training begins."""

import lightning.pytorch as pl
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import CosineAnnealingLR

import lrdecay_cli

LR, DECAY, STEPS = 1e-3, 0.5, 4


class Classifier(pl.LightningModule):
    """A model of three blocks and a head; each block trains at half the lr of the next module."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU()) for _ in range(3)))
        self.head = nn.Linear(8, 3)

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        return cross_entropy(self.head(self.blocks(inputs)), labels)

    def configure_optimizers(self):
        groups = []
        for depth, module in enumerate([*self.blocks, self.head]):
            lr = LR * DECAY ** (len(self.blocks) - depth)
            matrices = [each for each in module.parameters() if each.ndim > 1]
            vectors = [each for each in module.parameters() if each.ndim < 2]
            groups.append({"params": matrices, "lr": lr, "layer_id": depth, "name": f"layer_{depth}"})
            groups.append({"params": vectors, "lr": lr, "layer_id": depth, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=0.05)
        # Without "interval", Lightning steps once per epoch. An eta_min above 0 would give all groups the same last lr.
        cosine = CosineAnnealingLR(optimizer, T_max=STEPS)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def on_fit_start(self):
        # Lightning has called configure_optimizers before. In a test, audit its return value: this needs no trainer.
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        group_map = lrdecay_cli.audit_optimizer(self, optimizer, schedulers=scheduler, name="classifier")
        print(group_map)
        lrdecay_cli.check(group_map).raise_on_failure()


data = torch.utils.data.TensorDataset(torch.rand(8, 8), torch.randint(3, (8,)))
trainer = pl.Trainer(max_steps=STEPS, accelerator="cpu", barebones=True)
trainer.fit(Classifier(), torch.utils.data.DataLoader(data, batch_size=4))
