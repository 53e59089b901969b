"""What a training config imports: ``custom_imports = dict(imports=['lrdecay_cli.training'])``.

It registers ``LayerDecayOptimWrapperConstructor`` and ``ParamGroupAuditHook`` with mmengine.
"""

from lrdecay_cli.openmmlab.decay_constructor import LayerDecayConstructor as LayerDecayOptimWrapperConstructor
from lrdecay_cli.training.audit_hook import ParamGroupAuditHook

__all__ = ["LayerDecayOptimWrapperConstructor", "ParamGroupAuditHook"]
