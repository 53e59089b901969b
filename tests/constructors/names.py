"""Class names of the constructors, as their projects call them."""

MMENGINE_DEFAULT = "DefaultOptimWrapperConstructor"
MMDET_LAYER_DECAY = "LearningRateDecayOptimizerConstructor"
MMPRETRAIN_LAYER_DECAY = "LearningRateDecayOptimWrapperConstructor"
LRDECAY_LAYER_DECAY = "LayerDecayOptimWrapperConstructor"
