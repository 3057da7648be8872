"""Assumptions of AutoPose's search: details missing from the paper's text, the choice made here, and its source."""

from __future__ import annotations

from benchmark.config.recipes import Assumption
from benchmark.config.searches import HELD_OUT_ASSUMPTION, NO_AUGMENTATION_ASSUMPTION

_AUTOGAN = "AutoGAN (Gong et al., ICCV 2019) and its released code, by the same first author"
_GDAS = "GDAS (Dong and Yang, CVPR 2019), which the text follows for the relaxation"
_MISSING = "missing from the text"


def learning_rates(alphas: str = "3e-4", controller: str = "3.5e-4", *, short: bool = False) -> tuple[Assumption, Assumption]:
    """Return the assumptions on the learning rates of alphas and controller; a ``short`` search has larger ones."""
    alphas_source = (
        f"{_GDAS}, except its weight decay of 1e-3, which is for a cross-entropy: the gradients of this loss are so much "
        "smaller that the decay alone would drive the alphas"
    )
    if short:
        alphas_source += "; the rate is larger, so that rate times steps is the same as in the paper's search"
    return (
        Assumption(
            unspecified=f"learning rate of the alphas, {_MISSING}, and their Adam betas and weight decay",
            choice=f"{alphas}; 0.5 and 0.999; none",
            source=alphas_source,
        ),
        Assumption(
            unspecified=f"learning rate of the controller, {_MISSING}",
            choice=controller,
            source=_AUTOGAN + "; ten times its rate, because there are only a few hundred updates" * short,
        ),
    )


PAPER = (
    Assumption(
        unspecified=f"epochs of the search, {_MISSING}", choice="30", source="this project: about what 2.5 GPU-days allow"
    ),
    Assumption(
        unspecified=f"iterations of an epoch, {_MISSING}",
        choice="one pass over each part of the training set",
        source="this project",
    ),
    Assumption(
        unspecified=f"batch size of the search, {_MISSING}", choice="32", source="this project: the share of one GPU in HRNet"
    ),
    Assumption(
        unspecified=f"input size of the search, {_MISSING}", choice="256x192", source="Sec. 4.4: that of the final training"
    ),
)
GENERAL = (
    Assumption(
        unspecified=f"kinds of the three convolutions and two poolings among the six operations, {_MISSING}",
        choice="plain convolutions with kernels 1, 3 and 5; 3x3 pooling",
        source='a word such as "separable" would have remained in the text; pooling as in DARTS and GDAS',
    ),
    Assumption(
        unspecified="whether the nodes of an aggregation cell take earlier nodes as inputs",
        choice="no, only the scales",
        source="the text on Eq. 3 names only the outputs of individual cells",
    ),
    Assumption(
        unspecified="form of the Gumbel-softmax",
        choice="one operation per edge, with a straight-through gradient",
        source=_GDAS,
    ),
    Assumption(unspecified="temperature of the Gumbel-softmax", choice="10, decreasing linearly to 0.1", source=_GDAS),
    Assumption(
        unspecified="edges that a derived cell keeps",
        choice="in an individual cell, at each node the two inputs whose operations are the most probable; in an aggregation "
        "cell, all scales",
        source=f"{_GDAS}; in an aggregation cell a node could otherwise be left without any active input",
    ),
    Assumption(
        unspecified="optimizer of the super-network's weights",
        choice="Adam at the learning rate of the final training, with cosine decay",
        source="the text uses Adam everywhere else; DARTS and GDAS use a cosine",
    ),
    Assumption(
        unspecified="statistics of the super-network's batch norms",
        choice="those of each batch",
        source="this project: running statistics would mix those of all paths",
    ),
    Assumption(
        unspecified="order of the steps within an epoch",
        choice="all steps of the weights, then all of the alphas, then all of the controller",
        source="the text: weights and alphas alternate, and the controller is trained at the end of each epoch",
    ),
    Assumption(
        unspecified="architecture and loss of the controller",
        choice="an LSTM of 100 units with an embedding and one linear layer per step; baseline with decay 0.9, entropy times "
        "1e-3",
        source=f"{_AUTOGAN}; but the entropy is a separate term of the loss, so that it does increase: there it is part of the "
        "reward",
    ),
    Assumption(
        unspecified="how a step of the controller emits four bits",
        choice="four Bernoulli decisions, given those of earlier stages",
        source="this project: the text has one activation per branch",
    ),
    Assumption(
        unspecified="whether the controller's batch of 2 counts people or scale vectors",
        choice="scale vectors, both evaluated on one batch of people",
        source=f"{_AUTOGAN}, where it counts samples of the controller",
    ),
    Assumption(
        unspecified=f"updates of the controller per epoch, {_MISSING}",
        choice="one for each batch of the held-out part",
        source="this project; AutoGAN has 30",
    ),
    Assumption(
        unspecified="the reward; in the paper, AP on COCO's validation set",
        choice="share of joints close to their target, on the held-out part of the training set",
        source="this project: the AP of a single batch says little, and people of the final test must not influence the search",
    ),
    Assumption(
        unspecified="operations used for rewards, and branches that run before the controller learns",
        choice="the most probable operations; as many branches as the search space allows",
        source="this project: the derived network has those operations; weights learn much faster than along branches drawn at "
        "random",
    ),
    Assumption(
        unspecified=f"number of sampled scale vectors, the best of which is kept, {_MISSING}", choice="10", source=_AUTOGAN
    ),
    HELD_OUT_ASSUMPTION,
)
NODES = Assumption(
    unspecified=f"nodes of the two cells, {_MISSING}",
    choice="four in an individual cell, two in an aggregation cell",
    source="four as in DARTS and GDAS; two: this project",
)
AUGMENTATION = Assumption(
    unspecified="augmentation during the search",
    choice="as in the final training, also for the held-out part",
    source="the text describes only one augmentation",
)
SHORT = (
    NO_AUGMENTATION_ASSUMPTION,
    Assumption(
        unspecified="first epoch of the controller in a search this short",
        choice="the middle of the search",
        source="this project: after the four epochs of the text, shared weights are not yet good enough for meaningful rewards",
    ),
)
FEWER_NODES = Assumption(
    unspecified=f"nodes of the two cells, {_MISSING}",
    choice="two in an individual cell, one in an aggregation cell",
    source="this project: in a search this short, each weight should be on more of the paths",
)
REDUCED_SIZE = Assumption(
    unspecified=f"the reduced input size, {_MISSING}", choice="half the height and width", source="this project"
)
SINGLE_BRANCH = Assumption(
    unspecified="how the controller is limited to one branch per stage",
    choice="vectors with more branches are excluded",
    source="this project",
)
