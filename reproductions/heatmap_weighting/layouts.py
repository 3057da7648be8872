"""Names that the authors' code gives to the tensors of this network; needs no torch."""

from __future__ import annotations

from benchmark.models.layouts import Layout

LAYOUTS = (
    Layout(
        name="authors",
        source="github.com/HAIV-Lab/ICPR22w",
        models=("heatmap_weighting/mobilenet_v3",),
        rules=(
            (r"\.conv\.(weight|bias)$", ".0.{1}"),
            (r"\.bn\.", ".1."),
            (r"^backbone\.conv1\.", "backbone.0."),
            (r"^backbone\.conv2\.", "backbone.16."),
            (r"^backbone\.layer(\d+)\.", "backbone.{1}.body."),
            (r"\.expand_conv\.", ".0."),
            (r"\.depthwise_conv\.", ".1."),
            (r"(body)\.se\.conv(\d)\.0\.", "{1}.2.scale.{2*2-1}."),
            (r"\.linear_conv\.", ".3."),
            # The layers of the head are one sequence: three times six, then the attention block.
            (r"^keypoint_head\.deconv_layers\.18\.se\.conv(\d)\.0\.", "head.3.channel.scale.{1*2-1}."),
            (r"^keypoint_head\.deconv_layers\.18\.sse\.conv(\d)\.0\.", "head.3.spatial.scale.{1*2-2}."),
            (r"^keypoint_head\.deconv_layers\.(\d+)\.", "deconv.{1//6}.{1%6}."),
            (r"^deconv\.(\d)\.([01])\.", "head.{1}.0.{2}."),
            (r"^deconv\.(\d)\.([34])\.", "head.{1}.{2-2}."),
            (r"^keypoint_head\.final_layer\.", "head.4."),
        ),
    ),
)
