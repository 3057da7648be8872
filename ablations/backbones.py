"""Compare backbones under the same head: the searched one of EfficientPose-A and five others (EfficientPose-NAS, Table 3).

Claim: on MPII, A is 1.47 points of PCKh@0.5 above MobileNetV2, and 0.08 above ResNet-50, which needs 14 times its operations.

    python -m benchmark.ablate backbones --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="backbones",
    title="Backbones",
    paper="efficientpose_nas",
    table="table3",
    description="the searched backbone is more accurate than hand-designed backbones and those of other searches",
    variants=(
        Variant(name="A", model="efficientpose_nas/A", row="efficientpose_a"),
        Variant(name="MobileNetV2", model="efficientpose_nas/mobilenet_v2", row="mobilenet_v2"),
        Variant(name="Proxyless GPU", model="efficientpose_nas/proxyless_gpu", row="proxyless_gpu"),
        Variant(name="Proxyless CPU", model="efficientpose_nas/proxyless_cpu", row="proxyless_cpu"),
        Variant(name="Proxyless Mobile", model="efficientpose_nas/proxyless_mobile", row="proxyless_mobile"),
        Variant(name="ResNet-50", model="efficientpose_nas/resnet50", row="resnet50"),
    ),
    comparisons=(
        Comparison(better="A", worse="MobileNetV2", printed="table3[efficientpose_a, pckh] - table3[mobilenet_v2, pckh]"),
        Comparison(better="A", worse="Proxyless GPU", printed="table3[efficientpose_a, pckh] - table3[proxyless_gpu, pckh]"),
        Comparison(better="A", worse="Proxyless CPU", printed="table3[efficientpose_a, pckh] - table3[proxyless_cpu, pckh]"),
        Comparison(
            better="A", worse="Proxyless Mobile", printed="table3[efficientpose_a, pckh] - table3[proxyless_mobile, pckh]"
        ),
        Comparison(better="A", worse="ResNet-50", printed="table3[efficientpose_a, pckh] - table3[resnet50, pckh]"),
    ),
)
