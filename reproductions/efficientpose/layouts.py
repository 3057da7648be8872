"""Names that the authors' released Keras files (.h5) and PyTorch code give to the tensors of these networks; needs no torch."""

from __future__ import annotations

from benchmark.models.layouts import Layout, Rule
from reproductions.efficientpose.protocols import JOINTS
from reproductions.efficientpose.variants import LITE_VARIANTS, VARIANTS, layer_names

_AXES = {
    r"/kernel$": (3, 2, 0, 1),  # height, width, in, out; of a transposed convolution height, width, out, in
    r"/depthwise_kernel$": (2, 3, 0, 1),  # height, width, channels, 1
}
# Released with fixed bilinear weights and, but for the last, with heads that inference does not use; a variant may lack them.
_OPTIONAL = (r"^passes\.\d\.head\.", r"^upscaling\.")
_KERAS_ARRAYS: tuple[Rule, ...] = (
    (r"/(?:depthwise_)?kernel$|/gamma$", ".weight"),
    (r"/(?:bias|beta)$", ".bias"),
    (r"/moving_mean$", ".running_mean"),
    (r"/moving_variance$", ".running_var"),
)
_DETECTION: tuple[Rule, ...] = (
    (r"^pass(\d)_block(\d)_mbconv(\d)_[a-z]+\d?_", "passes.{1-1}.densenets.{2-1}.layers.{3-1}."),
    (r"^pass(\d)_[a-z]+\d?_(?:pafs|confs)\.", "passes.{1-1}.head."),
    (r"\.conv1\.", ".expand.0."),
    (r"\.conv1_bn\.", ".expand.1."),
    (r"\.dconv1\.", ".depthwise.0."),
    (r"\.dconv1_bn\.", ".depthwise.1."),
    (r"\.se_se_squeeze_conv\.", ".se.squeeze."),
    (r"\.se_se_excite_conv\.", ".se.excite."),
    (r"\.conv2\.", ".project.0."),
    (r"\.conv2_bn\.", ".project.1."),
    (r"^upscaled_deconv(\d)\.", "upscaling.{1-1}."),
    (r"^upscaled_confs\.", "upscaling.2."),
)
_LAYERS = {
    "expand_conv": "expand.0",
    "expand_bn": "expand.1",
    "dwconv": "depthwise.0",
    "bn": "depthwise.1",
    "se_reduce": "se.squeeze",
    "se_expand": "se.excite",
    "project_conv": "project.0",
    "project_bn": "project.1",
}
_BACKBONES: tuple[Rule, ...] = (
    (r"^stem_conv_res(\d)\.", "res{1}.stem.0."),
    (r"^stem_bn_res(\d)\.", "res{1}.stem.1."),
    *((rf"^block(\d[a-z])_{name}_res(\d)\.", f"res{{2}}.layers.{{1}}.{part}.") for name, part in _LAYERS.items()),
    (r"^res1\.", "backbones.high."),
    (r"^res2\.", "backbones.low."),
)


def _lite_rules(backbone: str) -> tuple[Rule, ...]:
    """Return the rules of an EfficientNet-Lite, whose layers the release counts through all blocks."""
    number_bn, number_conv = r"tpu_batch_normalization(?:_(\d))?/FusedBatchNormV3_0", r"conv2d(?:_(\d))?/Conv2D_0"
    return (
        (r"^efficientnet-lite\d/model/", ""),
        (rf"^stem/{number_conv}\.", "backbones.high.stem.0."),
        (rf"^stem/{number_bn}\.", "backbones.high.stem.1."),
        (r"/depthwise_conv2d/depthwise_0\.", ".depthwise.0."),
        # The first layer has no expansion, so that its projection comes first.
        (r"^blocks_0/conv2d/Conv2D_0\.", "blocks_0.project.0."),
        (r"^blocks_0/tpu_batch_normalization_1/FusedBatchNormV3_0\.", "blocks_0.project.1."),
        (r"^blocks_0/tpu_batch_normalization/FusedBatchNormV3_0\.", "blocks_0.depthwise.1."),
        (r"/conv2d_1/Conv2D_0\.", ".project.0."),
        (r"/conv2d/Conv2D_0\.", ".expand.0."),
        (r"/tpu_batch_normalization_2/FusedBatchNormV3_0\.", ".project.1."),
        (r"/tpu_batch_normalization_1/FusedBatchNormV3_0\.", ".depthwise.1."),
        (r"/tpu_batch_normalization/FusedBatchNormV3_0\.", ".expand.1."),
        *(
            (rf"^blocks_{number}\.", f"backbones.high.layers.{name}.")
            for number, name in enumerate(layer_names(backbone, num_blocks=3, lite=True))
        ),
    )


LAYOUTS = (
    Layout(
        name="authors",
        source="github.com/daniegr/EfficientPose, models/keras",
        # The larger files were not at hand: their manifests are of the authors' PyTorch code, which lacks the unused heads.
        models=tuple(f"efficientpose/{name}" + ("" if name in ("RT", "I") else "+outputs=final") for name in VARIANTS),
        rules=(*_KERAS_ARRAYS, *_BACKBONES, *_DETECTION),
        axes=_AXES,
        optional=_OPTIONAL,
        joints=JOINTS,
    ),
    *(
        Layout(
            name="authors",
            source="github.com/daniegr/EfficientPose, models/keras",
            models=(f"efficientpose/{name}",),
            rules=(*_KERAS_ARRAYS, *_lite_rules(backbone), *_DETECTION),
            axes=_AXES,
            optional=_OPTIONAL,
            joints=JOINTS,
        )
        for name, (_, backbone, _) in LITE_VARIANTS.items()
    ),
)
