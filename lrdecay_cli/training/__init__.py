"""Register ``LayerDecayOptimWrapperConstructor`` and ``ParamGroupAuditHook`` with mmengine.

Training configs import this module: ``custom_imports = dict(imports=['lrdecay_cli.training'])``.
"""

from lrdecay_cli.openmmlab.decay_constructor import LayerDecayConstructor as LayerDecayOptimWrapperConstructor
from lrdecay_cli.training.audit_hook import ParamGroupAuditHook

__all__ = ["LayerDecayOptimWrapperConstructor", "ParamGroupAuditHook"]
