"""What AutoPose's text leaves open of the search, what stands there instead, and where that comes from."""

from __future__ import annotations

from benchmark.config.recipes import Assumption
from benchmark.config.searches import HELD_OUT_ASSUMPTION, NO_AUGMENTATION_ASSUMPTION

_AUTOGAN = "AutoGAN (Gong et al., ICCV 2019) and its released code, by the same first author"
_GDAS = "GDAS (Dong and Yang, CVPR 2019), which the text follows for the relaxation"
_LOST = "missing from the text"


def rates(alphas: str = "3e-4", controller: str = "3.5e-4", *, short: bool = False) -> tuple[Assumption, Assumption]:
    """Of the two optimizers of the architecture; larger than the sources' own for a ``short`` search."""
    return (
        Assumption(
            unspecified=f"the alphas' rate, {_LOST}, and Adam's momenta and decay for them",
            choice=f"{alphas}; 0.5 and 0.999; none",
            source=f"{_GDAS}, but for its decay of 1e-3, which is for a cross-entropy: the gradients of this loss are so much "
            "smaller that alphas would follow the decay alone"
            + "; the rate is larger, so that rate times steps is what it is at the paper's scale"
            * short,
        ),
        Assumption(
            unspecified=f"the controller's rate, {_LOST}",
            choice=controller,
            source=_AUTOGAN + "; ten times that, for it has a few hundred updates" * short,
        ),
    )


PAPER = (
    Assumption(unspecified=f"epochs of the search, {_LOST}", choice="30", source="this project: about what 2.5 days may hold"),
    Assumption(
        unspecified=f"iterations of an epoch, {_LOST}", choice="one pass over each part of the persons", source="this project"
    ),
    Assumption(unspecified=f"batch of the search, {_LOST}", choice="32", source="this project: one GPU's share in HRNet"),
    Assumption(
        unspecified=f"image size of the search, {_LOST}", choice="256x192", source="Sec. 4.4: that of the final training"
    ),
)
GENERAL = (
    Assumption(
        unspecified=f"which three convolutions and which poolings are among the six operations, {_LOST}",
        choice="plain ones of kernels 1, 3 and 5; 3x3",
        source="a word such as separable would have been left in the text; poolings as in DARTS and GDAS",
    ),
    Assumption(
        unspecified="whether an aggregation cell's nodes take earlier nodes",
        choice="the scales alone",
        source="the text on Eq. 3 names the outputs of individual cells alone",
    ),
    Assumption(unspecified="how the Gumbel-softmax is used", choice="one operation an edge, straight through", source=_GDAS),
    Assumption(unspecified="its temperature", choice="10 falling to 0.1 linearly", source=_GDAS),
    Assumption(
        unspecified="how many edges a derived cell keeps",
        choice="two inputs an individual cell's node, by their operations' probability; all scales of an aggregation cell's",
        source=f"{_GDAS}; without a scale a node could be left with none that runs",
    ),
    Assumption(
        unspecified="the optimizer of the super-network's weights",
        choice="Adam at the rate of the final training, falling by a cosine",
        source="the text has Adam everywhere else; DARTS and GDAS use a cosine",
    ),
    Assumption(
        unspecified="what batch norms of the super-network normalise by",
        choice="each batch's own statistics",
        source="this project: running ones would mix those of all paths",
    ),
    Assumption(
        unspecified="the order within an epoch",
        choice="all steps of the weights, then all of the alphas, then all of the controller",
        source="the text: alternately, and the controller at the end of each epoch",
    ),
    Assumption(
        unspecified="the controller's make-up",
        choice="an LSTM of 100 units with an embedding and a linear layer a step; baseline with decay 0.9, entropy times 1e-3",
        source=f"{_AUTOGAN}; the entropy as a term of its own, so that it does grow: there it is a part of the reward",
    ),
    Assumption(
        unspecified="how a step emits four bits",
        choice="four Bernoulli decisions, given those of earlier stages",
        source="this project: the text has one activation for each branch",
    ),
    Assumption(
        unspecified="whether the controller's batch of 2 counts persons or scale vectors",
        choice="vectors, both judged on one batch of persons",
        source=f"{_AUTOGAN}, where it counts what the controller draws",
    ),
    Assumption(
        unspecified=f"updates of the controller in an epoch, {_LOST}",
        choice="as many as the held-out persons make batches",
        source="this project; AutoGAN has 30",
    ),
    Assumption(
        unspecified="the reward, in the paper the AP of COCO's validation set",
        choice="the share of joints near their target on persons held out of the training set",
        source="this project: AP says little of one batch, and the persons of the final test decide nothing",
    ),
    Assumption(
        unspecified="which operations a reward is taken with, and with which branches cells learn before the controller does",
        choice="the most probable ones; all that the search space allows",
        source="this project: what is derived in the end has those operations; weights learn far sooner than along branches "
        "drawn at random",
    ),
    Assumption(unspecified=f"of how many drawn vectors the best is kept, {_LOST}", choice="10", source=_AUTOGAN),
    HELD_OUT_ASSUMPTION,
)
NODES = Assumption(
    unspecified=f"nodes of the two cells, {_LOST}", choice="four and two", source="four as in DARTS and GDAS; this project"
)
VIEWS = Assumption(
    unspecified="how images are augmented during the search",
    choice="as in the final training, those of held-out persons too",
    source="the text describes one augmentation",
)
SHORT = (
    NO_AUGMENTATION_ASSUMPTION,
    Assumption(
        unspecified="from when on the controller learns in a search this short",
        choice="the middle of the search",
        source="this project: after the four epochs of the text shared weights are still worth nothing to be rewarded by",
    ),
)
FEWER_NODES = Assumption(
    unspecified=f"nodes of the two cells, {_LOST}",
    choice="two and one",
    source="this project: in a search this short, so that each weight is on more of the paths",
)
SIZE = Assumption(unspecified=f"the reduced image size, {_LOST}", choice="half the sides", source="this project")
SINGLE = Assumption(
    unspecified="how a controller is kept to one branch a stage",
    choice="the vectors with more are left out of its choice",
    source="this project",
)
