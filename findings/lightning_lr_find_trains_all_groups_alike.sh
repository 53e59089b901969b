#!/usr/bin/env bash
# lightning 2.6.6: Tuner.lr_find trains all parameter groups with the same lr, although configure_optimizers sets different lrs.
#
# Source: lightning/pytorch/tuner/lr_finder.py, _LRFinder._exchange_scheduler: every group gets min_lr, and one exponential
# scheduler changes all groups. The later training uses the lrs of configure_optimizers.
#
# With layer-wise decay, the search trains the backbone at the head's lr, up to 1 / decay ** layers times too fast. So the
# search diverges earlier, and the suggested lr does not fit the training.
#
# Output (torch 2.13.0):
#   lr of the backbone over lr of the head, in the search: {1.0}
#   lr of the backbone over lr of the head, in the training: {0.01}
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 "numpy<3" lightning==2.6.6
cat > "$work/run.py" <<'P'
import logging
import warnings

warnings.filterwarnings("ignore")
for name in ("lightning", "lightning.pytorch"):
    logging.getLogger(name).setLevel(logging.ERROR)
import lightning.pytorch as pl
import torch
from lightning.pytorch.tuner import Tuner


class Model(pl.LightningModule):
    """A model whose backbone trains at a hundredth of the head's lr."""

    def __init__(self):
        super().__init__()
        self.lr = 1e-3
        self.backbone, self.head = torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)
        self.ratios = set()

    def training_step(self, batch, _):
        backbone, head = self.trainer.optimizers[0].param_groups
        self.ratios.add(round(backbone["lr"] / head["lr"], 4))
        return self.head(self.backbone(batch)).square().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(
            [
                {"params": self.backbone.parameters(), "lr": self.lr * 0.01},
                {"params": self.head.parameters(), "lr": self.lr},
            ]
        )


def ratios(run):
    model.ratios = set()
    run()
    return model.ratios


model = Model()
data = torch.utils.data.DataLoader(torch.randn(64, 4), batch_size=4)
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer = pl.Trainer(max_epochs=1, accelerator="cpu", **quiet)
search = ratios(lambda: Tuner(trainer).lr_find(model, train_dataloaders=data, num_training=20, update_attr=False))
training = ratios(lambda: trainer.fit(model, data))
print(f"lr of the backbone over lr of the head, in the search: {search}")
print(f"lr of the backbone over lr of the head, in the training: {training}")
assert (search, training) == ({1.0}, {0.01})
P
cd "$work" && python run.py 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
