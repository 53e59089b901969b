#!/usr/bin/env bash
# mmengine 0.10.7: a lazy config that defines a function loads, but mmengine cannot write it as text. Runner writes every
# config.
#
# Source: mmengine/config/config.py, Config.pretty_text and Config.dump: yapf formats the text of a lazy config, which contains
# the repr of each value. The repr of a function is <function …>, which is not valid Python. Runner.__init__ writes the text
# before training (mmengine/runner/runner.py, _log_env and dump_config).
#
# Output: loads: 4 keys; pretty_text: SyntaxError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; . "$work/venv/bin/activate"
pip install -q torch==2.13.0 mmengine==0.10.7 "setuptools<81" "numpy<3"
cd "$work"
cat > config.py <<'P'
from mmengine.optim import OptimWrapper


def scaled(lr):
    return lr / 256 * 16


optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type="SGD", lr=scaled(0.1)))
train_cfg = dict(by_epoch=True, max_epochs=1)
P
cat > run.py <<'P'
from mmengine.config import Config

config = Config.fromfile("config.py")
print(f"loads: {len(config)} keys", end="; ")
assert config.optim_wrapper.optimizer.lr == 0.00625, config.optim_wrapper
try:
    config.pretty_text
except Exception as error:
    print(f"pretty_text: {type(error).__name__}")
    assert isinstance(error, SyntaxError), error
else:
    raise SystemExit("it is written now")
P
python run.py
