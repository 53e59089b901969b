"""Train with the Hugging Face Trainer and layer-wise lr decay, and audit the parameter groups when training begins."""

import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

import lrdecay_cli

LR, DECAY = 1e-3, 0.8

# A BERT that is small enough to train in a second. For pretrained weights, use from_pretrained.
config = BertConfig(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16, vocab_size=50)
model = BertForSequenceClassification(config)


def layer_of(name: str) -> int:
    """Return the layer id: 0 for embeddings, 1 to 3 for encoder layers, 4 for pooler and classifier."""
    if ".embeddings." in name:
        return 0
    if ".encoder.layer." in name:
        return int(name.split(".encoder.layer.")[1].split(".")[0]) + 1
    return config.num_hidden_layers + 1


groups = {}
for name, parameter in model.named_parameters():
    decayed = parameter.ndim > 1 and "embeddings" not in name
    key = f"layer_{layer_of(name)}_{'decay' if decayed else 'no_decay'}"
    lr = LR * DECAY ** (config.num_hidden_layers + 1 - layer_of(name))
    group = {"name": key, "layer_id": layer_of(name), "lr": lr, "weight_decay": 0.01 if decayed else 0.0, "params": []}
    groups.setdefault(key, group)["params"].append(parameter)
optimizer = torch.optim.AdamW(list(groups.values()), lr=LR)


class Audit(TrainerCallback):
    """Audit the model and optimizer that the Trainer uses. The reported lrs are those at the start of its schedule."""

    def on_train_begin(self, args, state, control, model=None, optimizer=None, lr_scheduler=None, **kwargs):
        group_map = lrdecay_cli.audit_optimizer(model, optimizer, schedulers=lr_scheduler, name="tiny-bert")
        print(group_map)
        lrdecay_cli.check(group_map).raise_on_failure()


rows = [{"input_ids": torch.randint(50, (6,)), "labels": torch.tensor(index % 2)} for index in range(8)]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder, max_steps=2, per_device_train_batch_size=4, use_cpu=True, report_to=[], disable_tqdm=True
    )
    # Without a scheduler here, the Trainer creates its own for this optimizer. It does not use args.learning_rate.
    Trainer(model, arguments, train_dataset=rows, optimizers=(optimizer, None), callbacks=[Audit()]).train()
