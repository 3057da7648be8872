"""Names that publishers of weights give to the tensors of these networks; needs no torch.

Where a network has no authors' layout, none of its authors' weights are public. mmpose changed the name of the head from
``keypoint_head`` to ``head`` with version 1; both are read.
"""

from __future__ import annotations

from itertools import accumulate

from benchmark.models.layouts import Layout, Rule

_MMPOSE = "github.com/open-mmlab/mmpose"

# Rules of several layouts. mmcv's convolution with batch norm is a module of two parts with names; here they have numbers.
_MMPOSE_HEAD: Rule = (r"^(?:keypoint_)?head\.", "")
_NO_BACKBONE: Rule = (r"^backbone\.", "")
_CONV_BN: tuple[Rule, ...] = ((r"\.conv\.(weight|bias)$", ".0.{1}"), (r"\.bn\.", ".1."))
_DECONVS: tuple[Rule, ...] = ((r"^deconv_layers\.(\d+)\.", "head.{1//3}.{1%3}."), (r"^final_layer\.", "head.3."))

_HRNET: tuple[Rule, ...] = (
    (r"^(conv|bn)1\.", "stem.0.{1}."),
    (r"^(conv|bn)2\.", "stem.2.{1}."),
    (r"^(stem\.\d)\.conv\.", "{1}.0."),
    (r"^(stem\.\d)\.bn\.", "{1}.1."),
    (r"^(layer1\.\d|stage\d\.\d+\.branches\.\d\.\d)\.conv(\d)\.", "{1}.convs.{2-1}.0."),
    (r"^(layer1\.\d|stage\d\.\d+\.branches\.\d\.\d)\.bn(\d)\.", "{1}.convs.{2-1}.1."),
    (r"^layer1\.0\.downsample\.", "layer1.0.shortcut."),
    (r"^transition(\d)\.(\d)\.0\.(\d)\.", "stages.{1-1}.transition.{2}.{3}."),
    (r"^transition(\d)\.", "stages.{1-1}.transition."),
    (r"^stage(\d)\.(\d+)\.", "stages.{1-2}.exchanges.{2}."),
    (r"\.fuse_layers\.(\d)\.(\d)\.", ".fuse.{1}.{2}.convs."),
    (r"^final_layer\.", "final."),
)
# The authors of Lite-HRNet and of ViPNAS wrote their code for mmpose, which took it over with its names.
_LITE_HRNET: tuple[Rule, ...] = (
    _NO_BACKBONE,
    _MMPOSE_HEAD,
    *_CONV_BN,
    (r"^stem\.conv1\.", "stem.conv."),
    (r"^stem\.branch1\.", "stem.first."),
    (r"^stem\.expand_conv\.", "stem.second.0."),
    (r"^stem\.depthwise_conv\.", "stem.second.1.0."),
    (r"^stem\.linear_conv\.", "stem.second.1.1."),
    (r"^transition(\d)\.(\d)\.(?:0\.)?(\d)\.", "stages.{1}.transition.{2}.{3//2}.{3%2}."),
    (r"^stage(\d)\.(\d)\.", "stages.{1}.exchanges.{2}."),
    (r"\.layers\.(\d)\.", ".blocks.{1}."),
    (r"\.cross_resolution_weighting\.conv(\d)\.", ".cross_resolution.weigh.{1-1}."),
    (r"\.depthwise_convs\.(\d)\.", ".branches.{1}.0."),
    (r"\.spatial_weighting\.(\d)\.conv(\d)\.0\.", ".branches.{1}.1.weigh.{2*2-1}."),
    (r"\.fuse_layers\.(\d)\.(\d)\.(\d)\.(\d)\.", ".fuse.{1}.{2}.convs.{3}.{4//2}.{4%2}."),
    (r"\.fuse_layers\.(\d)\.(\d)\.", ".fuse.{1}.{2}.convs."),
    (r"^head_layer\.projects\.(\d)\.depthwise_conv\.", "head.projects.{1}.0."),
    (r"^head_layer\.projects\.(\d)\.pointwise_conv\.", "head.projects.{1}.1."),
    (r"^final_layer\.", "final."),
)
_VIPNAS: tuple[Rule, ...] = (
    _MMPOSE_HEAD,
    *_CONV_BN,
    *_DECONVS,
    (r"^backbone\.conv1\.", "backbone.0."),
    (r"^backbone\.layer(\d+)\.", "backbone.{1}.body."),
    (r"\.expand_conv\.", ".0."),
    (r"\.depthwise_conv\.", ".1."),
    (r"\.se\.conv(\d)\.0\.", ".2.scale.{1*2-1}."),
    (r"\.linear_conv\.", ".3."),
)
_MSPN: tuple[Rule, ...] = (
    (r"^backbone\.top\.top\.0\.(conv|bn)\.", "backbone.{1}1."),
    (r"^backbone\.multi_stage_mspn\.0\.downsample\.", "backbone."),
    *_CONV_BN,
    (r"^backbone\.multi_stage_mspn\.0\.upsample\.up(\d)\.in_skip\.", "skips.{1-1}."),
    (r"^backbone\.multi_stage_mspn\.0\.upsample\.up(\d)\.up_conv\.", "ups.{1-2}."),
    (r"^(?:keypoint_)?head\.predict_layers\.(\d)\.conv_layers\.", "heads.{1}."),
)
# torchvision numbers all blocks of MobileNetV2 in one sequence, mmpose those of each layer.
_MOBILENET_V2: tuple[Rule, ...] = (
    _MMPOSE_HEAD,
    *_DECONVS,
    (r"^backbone\.conv1\.", "backbone.0."),
    (r"^backbone\.conv2\.", "backbone.18."),
    (r"^backbone\.layer1\.0\.conv\.1\.conv\.", "backbone.1.conv.1."),
    (r"^backbone\.layer1\.0\.conv\.1\.bn\.", "backbone.1.conv.2."),
    *(
        (rf"^backbone\.layer{layer}\.(\d)\.", f"backbone.{{1+{first}}}.")
        for layer, first in enumerate(accumulate((1, 1, 2, 3, 4, 3, 3)), start=1)
    ),
    (r"\.conv\.2\.conv\.", ".conv.2."),
    (r"\.conv\.2\.bn\.", ".conv.3."),
    *_CONV_BN,
)
# A branch of ShuffleNetV2 is one sequence of convolutions, batch norms and, after two of its three convolutions, ReLUs.
_SHUFFLENET_V2: tuple[Rule, ...] = (
    _MMPOSE_HEAD,
    *_DECONVS,
    *_CONV_BN,
    (r"^backbone\.layers\.3\.", "backbone.conv5."),
    (r"^backbone\.layers\.(\d)\.", "backbone.stage{1+2}."),
    (r"\.branch1\.1\.(\d)\.", ".branch1.{1+2}."),
    (r"\.branch1\.0\.(\d)\.", ".branch1.{1}."),
    (r"\.branch2\.2\.(\d)\.", ".branch2.{1+5}."),
    (r"\.branch2\.1\.(\d)\.", ".branch2.{1+3}."),
    (r"\.branch2\.0\.(\d)\.", ".branch2.{1}."),
)
_PREACTIVATED: tuple[Rule, ...] = ((r"\.bn(\d)\.", ".body.{1*3-3}."), (r"\.conv(\d)\.(?:conv\.)?", ".body.{1*3-1}."))
# An hourglass is numbered from its innermost level outwards; each level has a shortcut, a way down and one up.
_PYTORCH_POSE: tuple[Rule, ...] = (
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    *_PREACTIVATED,
    (r"^layer1\.0\.", "stem.3."),
    (r"^layer([23])\.0\.", "stem.{1+3}."),
    (r"\.downsample\.0\.", ".shortcut."),
    *((rf"^hg\.(\d)\.hg\.{level}\.", "hourglasses.{1}." + "inner." * (3 - level)) for level in range(4)),
    *(
        (rf"^(hourglasses\.\d\.(?:inner\.)*){number}\.0\.", f"{{1}}{part}.")
        for number, part in enumerate(("shortcut", "down", "up", "inner"))
    ),
    (r"^res\.(\d)\.0\.", "predictions.{1}.features.0."),
    (r"^fc\.(\d)\.(\d)\.", "predictions.{1}.features.{2+1}."),
    (r"^score\.(\d)\.", "predictions.{1}.heatmaps."),
    (r"^fc_\.(\d)\.", "predictions.{1}.remap_features."),
    (r"^score_\.(\d)\.", "predictions.{1}.remap_heatmaps."),
)
_PYTORCH_HOURGLASS: tuple[Rule, ...] = (
    (r"^pre\.0\.conv\.", "stem.0."),
    (r"^pre\.0\.bn\.", "stem.1."),
    (r"^features\.(\d)\.1\.conv\.", "predictions.{1}.features.1."),
    (r"^features\.(\d)\.1\.bn\.", "predictions.{1}.features.2."),
    (r"^outs\.(\d)\.conv\.", "predictions.{1}.heatmaps."),
    (r"^merge_features\.(\d)\.conv\.conv\.", "predictions.{1}.remap_features."),
    (r"^merge_preds\.(\d)\.conv\.conv\.", "predictions.{1}.remap_heatmaps."),
    *_PREACTIVATED,
    (r"\.skip_layer\.conv\.", ".shortcut."),
    (r"^pre\.1\.", "stem.3."),
    (r"^pre\.([34])\.", "stem.{1+2}."),
    (r"^features\.(\d)\.0\.", "predictions.{1}.features.0."),
    (r"^hgs\.(\d)\.0\.", "hourglasses.{1}."),
    (r"\.up1\.", ".shortcut."),
    (r"\.low1\.", ".down."),
    (r"(?<=\.)low2\.", "inner."),
    (r"\.low3\.", ".up."),
)
_CPM: tuple[Rule, ...] = (
    *_CONV_BN,
    (r"^backbone\.stem\.9\.0\.", "first.4."),
    (r"^backbone\.stem\.([678])\.", "first.{1-5}."),
    (r"^backbone\.stem\.(\d)\.", "first.0.{1}."),
    (r"^backbone\.middle\.", "features."),
    (r"^backbone\.middle_conv\.(\d)\.0\.", "contexts.{1}."),
    (r"^backbone\.cpm_stages\.(\d)\.model\.", "stages.{1}."),
    (r"^backbone\.out_convs\.(\d)\.0\.", "stages.{1}.3."),
    (r"^backbone\.out_convs\.(\d)\.1\.0\.", "stages.{1}.4."),
)
_HOURGLASS_52: tuple[Rule, ...] = (
    *_CONV_BN,
    (r"\.conv(\d)\.", ".convs.{1-1}.0."),
    (r"\.bn(\d)\.", ".convs.{1-1}.1."),
    (r"\.downsample\.", ".shortcut."),
    (r"^backbone\.stem\.1\.0\.", "stem.1."),
    (r"^backbone\.stem\.", "stem."),
    (r"^backbone\.hourglass_modules\.0\.", "hourglass."),
    (r"\.up1\.", ".shortcut."),
    (r"\.low1\.", ".down."),
    (r"(?<=\.)low2\.", "inner."),
    (r"\.low3\.", ".up."),
    (r"^backbone\.out_convs\.0\.", "head.0."),
    (r"^(?:keypoint_)?head\.multi_final_layers\.0\.", "head.1."),
)
_LPN_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _lpn_rules(depth: int) -> tuple[Rule, ...]:
    """Return the rules of LPN, whose blocks are one sequence here, after the stem's two modules."""
    starts = accumulate(_LPN_BLOCKS[depth][:3], initial=2)
    return (
        *_DECONVS[:1],
        (r"^final_layer\.", "head.4."),
        (r"^conv1\.", "backbone.0.0."),
        (r"^bn1\.", "backbone.0.1."),
        *((rf"^layer{layer}\.(\d+)\.", f"backbone.{{1+{start}}}.") for layer, start in enumerate(starts, start=1)),
        (r"\.conv(\d)\.", ".body.{1-1}.0."),
        (r"\.bn(\d)\.", ".body.{1-1}.1."),
        (r"\.att\.conv_mask\.", ".body.3.attention."),
        (r"\.att\.channel_add_conv\.", ".body.3.transform."),
        (r"\.downsample\.", ".shortcut."),
    )


_RESNETS = tuple(f"baselines/simple_baseline-r{depth}" for depth in (50, 101, 152))
_HRNETS = ("baselines/hrnet-w32", "baselines/hrnet-w48")
_LATER_HOURGLASSES = tuple(f"baselines/hourglass-{stacks}+after=residual" for stacks in (1, 2, 8))

LAYOUTS = (
    Layout(name="authors", source="github.com/leoxiaobin/deep-high-resolution-net.pytorch", models=_HRNETS, rules=_HRNET),
    Layout(name="mmpose", source=_MMPOSE, models=_HRNETS, rules=(_NO_BACKBONE, _MMPOSE_HEAD, *_HRNET)),
    Layout(
        name="authors",
        source="github.com/microsoft/human-pose-estimation.pytorch",
        models=_RESNETS,
        rules=(*_DECONVS, (r"^(conv1|bn1|layer\d)\.", "backbone.{1}.")),
    ),
    Layout(name="mmpose", source=_MMPOSE, models=_RESNETS, rules=(_MMPOSE_HEAD, *_DECONVS)),
    Layout(
        name="authors",
        source="github.com/HRNet/Lite-HRNet",
        models=("baselines/lite_hrnet-18", "baselines/lite_hrnet-30"),
        rules=_LITE_HRNET,
    ),
    Layout(name="authors", source="github.com/luminxu/ViPNAS", models=("baselines/vipnas-mobilenet_v3",), rules=_VIPNAS),
    Layout(name="mmpose", source=_MMPOSE, models=("baselines/mspn-1",), rules=_MSPN),
    Layout(name="mmpose", source=_MMPOSE, models=("baselines/cpm-mmpose",), rules=_CPM),
    Layout(
        name="mmpose",
        source=_MMPOSE,
        models=("baselines/hourglass52",),
        rules=_HOURGLASS_52,
        optional=(r"\binters\.",),  # a block between this hourglass and the next, of which there is none
    ),
    Layout(name="mmpose", source=_MMPOSE, models=("baselines/simple_baseline-mobilenet_v2",), rules=_MOBILENET_V2),
    Layout(name="mmpose", source=_MMPOSE, models=("baselines/simple_baseline-shufflenet_v2",), rules=_SHUFFLENET_V2),
    Layout(
        name="princeton-vl",
        source="github.com/princeton-vl/pytorch_stacked_hourglass",
        models=_LATER_HOURGLASSES[1:],  # those that are published
        rules=_PYTORCH_HOURGLASS,
        optional=(r"\.shortcut\.(?:weight|bias)$",),  # every block has this convolution, and uses it where the width changes
    ),
    Layout(
        name="pytorch-pose",
        source="github.com/bearpaw/pytorch-pose",
        models=tuple(f"{model}+stem=256" for model in _LATER_HOURGLASSES),
        rules=_PYTORCH_POSE,
    ),
    *(
        Layout(
            name="authors",
            source="github.com/zhang943/lpn-pytorch",
            models=(f"baselines/lpn-{depth}",),
            rules=_lpn_rules(depth),
        )
        for depth in _LPN_BLOCKS
    ),
)
