"""Class names of the constructors in their projects."""

MMENGINE_DEFAULT = "DefaultOptimWrapperConstructor"
MMDET_LAYER_DECAY = "LearningRateDecayOptimizerConstructor"
MMPRETRAIN_LAYER_DECAY = "LearningRateDecayOptimWrapperConstructor"
LRDECAY_LAYER_DECAY = "LayerDecayOptimWrapperConstructor"
