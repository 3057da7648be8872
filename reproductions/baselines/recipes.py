"""Recipes of the networks that the papers compare with: each network's own public recipe, where this trainer can follow it.

The recipes of the stacked networks (RMSprop, mining of hard keypoints, a teacher) are not followed. SimpleBaseline's is used
instead, with every stage supervised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Optimizer, Recipe, Schedule, Target


def _ids(*names: str) -> tuple[str, ...]:
    return tuple(f"baselines/{name}" for name in names)


SIMPLE = _ids("simple_baseline-r50", "simple_baseline-r101", "simple_baseline-r152")
HRNETS = _ids("hrnet-w32", "hrnet-w48", "hrnet-w16_small")
MOBILE = _ids("simple_baseline-mobilenet_v2", "simple_baseline-shufflenet_v2")
HOURGLASSES = _ids(
    *("hourglass-1", "hourglass-2", "hourglass-8", "fpd", "pyranet", "du_net", "cu_net", "soft_gated"),
)
PYRAMIDS = _ids("cpn-r50", "mspn-1")

# No recipe produces targets for what these predict in addition to the joints' heatmaps.
UNTRAINED: Mapping[str, str] = {
    "baselines/cpm-mmpose": "it is here for mmpose's published weights; the paper's network is baselines/cpm",
    "baselines/hourglass52": "it is here for mmpose's published weights; the paper's network is baselines/hourglass-8",
    "baselines/dlcm": "there are no targets for the bones and limbs that it predicts as well",
    "baselines/g_rmi-r101": "there are no targets for the offsets that it predicts as well",
    "baselines/mask_rcnn-r50_fpn": "a detector's keypoint branch is trained on a detector's boxes, to one pixel of 56x56",
}

_STARTS = {"imagenet": "reproductions.baselines.imagenet:from_imagenet"}
_BOXES = Assumption(
    unspecified="boxes of people in COCO's validation images: those of a detector with 56.4 AP",
    choice="annotated boxes; python -m benchmark.evaluate --detections FILE tests the weights on a detector's",
    source="a detector's boxes are not part of COCO",
)
_LAST = Assumption(
    unspecified="which epoch's weights are reported",
    choice="the last",
    source="released code, which keeps the last and the best",
)
_IMAGENET = Assumption(
    unspecified="ImageNet weights of HRNet",
    choice="from scratch; --start FILE starts from a weight file",
    source="the authors' file is not published under a name with a digest",
)
_BLUE = Assumption(
    unspecified="order of colours: the released code reads blue first, its ImageNet weights expect red first",
    choice="red first",
    source="what the weights expect",
)
_BLUE_UNTRAINED = Assumption(
    unspecified="order of colours: the configuration reads blue first",
    choice="red first",
    source="from scratch both are equally good, if testing uses the same",
)
_GPUS = Assumption(
    unspecified="number of GPUs, which multiplies the batch", choice="8", source="mmpose's later configurations: 8 times 64"
)


def _both(mpii: Recipe, **coco: object) -> tuple[Recipe, Recipe]:
    """Return a recipe for MPII named ``mpii-...`` and the same recipe for COCO with the changes in ``coco``."""
    changes = {
        "name": mpii.name.replace("mpii", "coco"),
        "train": (("coco", "train"),),
        "test": ("coco", "val"),
        "num_people": 149813,
        "input": "256x192",
        "crop": "hrnet_annotated",
        "protocol": "hrnet-annotated",
        "assumptions": (*mpii.assumptions, _BOXES),
        **coco,
    }
    return mpii, replace(mpii, **changes)  # type: ignore[arg-type]


_SIMPLE = Recipe(
    name="mpii-simple_baseline",
    source="released configuration, github.com/microsoft/human-pose-estimation.pytorch",
    train=(("mpii", "train"),),
    test=("mpii", "val"),
    num_people=22246,
    batch=32,
    epochs=140,
    schedule=Schedule(milestones=(90, 120)),
    crop="mpii",
    start="imagenet",
    starts=_STARTS,
    models=SIMPLE,
    assumptions=(_BLUE, _LAST),
)
_HRNET = replace(
    _SIMPLE,
    name="mpii-hrnet",
    source="released configuration, github.com/leoxiaobin/deep-high-resolution-net.pytorch: 32 on each of four GPUs",
    batch=128,
    epochs=210,
    schedule=Schedule(milestones=(170, 200)),
    start="scratch",
    starts={},
    models=HRNETS,
    assumptions=(_IMAGENET, _LAST),
)
_MMPOSE = replace(
    _SIMPLE,
    name="mpii-mmpose",
    source="configuration in github.com/open-mmlab/mmpose",
    batch=512,
    epochs=210,
    optimizer=Optimizer(lr=5e-4),
    schedule=Schedule(milestones=(170, 200), warmup=500, warmup_factor=0.001),
    augmentation="mmpose_mpii",
    loss_options={"half": False},
    reports="best",
    models=MOBILE,
    assumptions=(
        _GPUS,
        Assumption(
            unspecified="ImageNet weights",
            choice="torchvision's",
            source="mmpose's come from another training of the same network",
        ),
    ),
)
_MMPOSE_SCRATCH = replace(
    _MMPOSE,
    name="mpii-mmpose-scratch",
    start="scratch",
    starts={},
    models=_ids("simple_baseline-mobilenet_v3"),
    assumptions=(
        _GPUS,
        Assumption(
            unspecified="a recipe for this network: mmpose has none",
            choice="that of the same head on MobileNetV2, from scratch",
            source="there are no public ImageNet weights of this layout",
        ),
    ),
)
_VIPNAS = replace(
    _MMPOSE_SCRATCH,
    name="mpii-vipnas",
    source="configuration for COCO in github.com/open-mmlab/mmpose",
    augmentation="hrnet_mpii",
    models=_ids("vipnas-mobilenet_v3"),
    assumptions=(
        _GPUS,
        Assumption(
            unspecified="random shifts of the boxes, which the authors trained with",
            choice="none",
            source="the configuration has none",
        ),
    ),
)
_LITE_HRNET = replace(
    _VIPNAS,
    name="mpii-lite_hrnet",
    source="released configuration, github.com/HRNet/Lite-HRNet",
    batch=256,
    optimizer=Optimizer(lr=2e-3),
    reports="last",
    models=_ids("lite_hrnet-18", "lite_hrnet-30"),
    assumptions=(
        Assumption(
            unspecified="number of GPUs, which multiplies a batch of 32 for MPII and 64 for COCO",
            choice="8",
            source="mmpose's later configurations",
        ),
        _LAST,
    ),
)
_LPN = replace(
    _SIMPLE,
    name="mpii-lpn",
    source="released configuration, github.com/zhang943/lpn-pytorch",
    epochs=150,
    start="scratch",
    starts={},
    models=_ids("lpn-50", "lpn-101", "lpn-152"),
    assumptions=(
        Assumption(
            unspecified="the paper's iterative training, in which each round starts from the one before",
            choice="one round",
            source="the configuration has one",
        ),
        Assumption(
            unspecified="decoding by soft-argmax",
            choice="quarter shift",
            source="as for the networks that it is compared with",
        ),
        _LAST,
    ),
)
_METHOD = Assumption(
    unspecified="the method's own training: optimizer, schedule, augmentation, loss weights of the stages",
    choice="SimpleBaseline's, all stages supervised with equal weight",
    source="none of the papers trains this network; they quote its results",
)
_STACKED = replace(
    _SIMPLE,
    name="mpii-stacked",
    source="SimpleBaseline's released configuration, as a substitute",
    loss_options={"supervise": "all"},
    start="scratch",
    starts={},
    models=HOURGLASSES,
    assumptions=(_METHOD, _LAST),
)
_PYRAMID = replace(
    _STACKED,
    name="mpii-pyramid",
    start="imagenet",
    starts=_STARTS,
    models=PYRAMIDS,
    assumptions=(
        Assumption(
            unspecified="the training of CPN's and MSPN's released code: Adam with weight decay 1e-5, Gaussians of a different "
            "width at each scale, mining of hard keypoints",
            choice="SimpleBaseline's, all scales supervised with equal weight",
            source="none of the papers trains these networks; they quote their results",
        ),
        Assumption(
            unspecified="ImageNet weights: CPN's code starts from TensorFlow-Slim's ResNet-50, MSPN's from its authors' file",
            choice="torchvision's",
            source="the same backbone, published under a name with a digest",
        ),
        Assumption(
            unspecified="order of colours: both released codes read blue first",
            choice="red first",
            source="what torchvision's weights expect",
        ),
        _LAST,
    ),
)
_CPM = replace(
    _STACKED,
    name="mpii-cpm",
    target=Target(stride=8, sigma=1.0),
    models=_ids("cpm"),
    assumptions=(
        *_STACKED.assumptions,
        Assumption(
            unspecified="sigma of targets at stride 8",
            choice="1 pixel",
            source="8 pixels of the input, the same as 2 at stride 4",
        ),
    ),
)
_COCO_128 = Assumption(
    unspecified="batch: 32 on one GPU in the released configuration, 128 on four in section 3 of the paper",
    choice="128",
    source="the paper",
)


def _small(suffix: str, **changes: object) -> tuple[Recipe, ...]:
    """Return the general recipes of this project with the changes that these networks need."""
    return tuple(
        replace(GENERAL_RECIPES[name], name=f"{name}{suffix}", **changes)  # type: ignore[arg-type]
        for name in ("lsp", "synthetic")
    )


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *_both(_SIMPLE, augmentation="simple_baseline_coco", batch=128, assumptions=(_BLUE, _LAST, _COCO_128, _BOXES)),
        *_both(_HRNET, augmentation="hrnet_coco"),
        *_both(_MMPOSE, augmentation="mmpose_coco"),
        *_both(_MMPOSE_SCRATCH, augmentation="mmpose_coco"),
        *_both(_VIPNAS, augmentation="lite_hrnet_coco"),
        *_both(_LITE_HRNET, augmentation="lite_hrnet_coco", batch=512),
        *_both(_LPN, augmentation="simple_baseline_coco", assumptions=(*_LPN.assumptions, _BLUE_UNTRAINED, _BOXES)),
        *_both(_STACKED, augmentation="simple_baseline_coco"),
        *_both(_PYRAMID, augmentation="simple_baseline_coco"),
        *_both(_CPM, augmentation="simple_baseline_coco"),
        *_small("", loss_options={"supervise": "all"}, models=(*HOURGLASSES, *PYRAMIDS)),
        *_small("-cpm", loss_options={"supervise": "all"}, target=_CPM.target, models=_CPM.models),
    )
}
