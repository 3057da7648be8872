"""What AutoPose's text leaves open of the search, what stands there instead, and where that comes from."""

from benchmark.recipes import Gap
from benchmark.search_scales import HELD_OUT, UNALTERED

_AUTOGAN = "AutoGAN (Gong et al., ICCV 2019) and its released code, by the same first author"
_GDAS = "GDAS (Dong and Yang, CVPR 2019), which the text follows for the relaxation"
_LOST = "missing from the text"


def rates(alphas: str = "3e-4", controller: str = "3.5e-4", *, short: bool = False) -> tuple[Gap, Gap]:
    """Of the two optimizers of the architecture; larger than the sources' own for a ``short`` search."""
    return (
        Gap(
            what=f"the alphas' rate, {_LOST}, and Adam's momenta and decay for them",
            instead=f"{alphas}; 0.5 and 0.999; none",
            source=f"{_GDAS}, but for its decay of 1e-3, which is for a cross-entropy: the gradients of this loss are so much "
            "smaller that alphas would follow the decay alone"
            + "; the rate is larger, so that rate times steps is what it is at the paper's scale"
            * short,
        ),
        Gap(
            what=f"the controller's rate, {_LOST}",
            instead=controller,
            source=_AUTOGAN + "; ten times that, for it has a few hundred updates" * short,
        ),
    )


PAPER = (
    Gap(what=f"epochs of the search, {_LOST}", instead="30", source="this project: about what 2.5 days may hold"),
    Gap(what=f"iterations of an epoch, {_LOST}", instead="one pass over each part of the persons", source="this project"),
    Gap(what=f"batch of the search, {_LOST}", instead="32", source="this project: one GPU's share in HRNet"),
    Gap(what=f"image size of the search, {_LOST}", instead="256x192", source="Sec. 4.4: that of the final training"),
)
GENERAL = (
    Gap(
        what=f"which three convolutions and which poolings are among the six operations, {_LOST}",
        instead="plain ones of kernels 1, 3 and 5; 3x3",
        source="a word such as separable would have been left in the text; poolings as in DARTS and GDAS",
    ),
    Gap(
        what="whether an aggregation cell's nodes take earlier nodes",
        instead="the scales alone",
        source="the text on Eq. 3 names the outputs of individual cells alone",
    ),
    Gap(what="how the Gumbel-softmax is used", instead="one operation an edge, straight through", source=_GDAS),
    Gap(what="its temperature", instead="10 falling to 0.1 linearly", source=_GDAS),
    Gap(
        what="how many edges a derived cell keeps",
        instead="two inputs an individual cell's node, by their operations' probability; all scales of an aggregation cell's",
        source=f"{_GDAS}; without a scale a node could be left with none that runs",
    ),
    Gap(
        what="the optimizer of the super-network's weights",
        instead="Adam at the rate of the final training, falling by a cosine",
        source="the text has Adam everywhere else; DARTS and GDAS use a cosine",
    ),
    Gap(
        what="what batch norms of the super-network normalise by",
        instead="each batch's own statistics",
        source="this project: running ones would mix those of all paths",
    ),
    Gap(
        what="the order within an epoch",
        instead="all steps of the weights, then all of the alphas, then all of the controller",
        source="the text: alternately, and the controller at the end of each epoch",
    ),
    Gap(
        what="the controller's make-up",
        instead="an LSTM of 100 units with an embedding and a linear layer a step; baseline with decay 0.9, entropy times 1e-3",
        source=f"{_AUTOGAN}; the entropy as a term of its own, so that it does grow: there it is a part of the reward",
    ),
    Gap(
        what="how a step emits four bits",
        instead="four Bernoulli decisions, given those of earlier stages",
        source="this project: the text has one activation for each branch",
    ),
    Gap(
        what="whether the controller's batch of 2 counts persons or scale vectors",
        instead="vectors, both judged on one batch of persons",
        source=f"{_AUTOGAN}, where it counts what the controller draws",
    ),
    Gap(
        what=f"updates of the controller in an epoch, {_LOST}",
        instead="as many as the held-out persons make batches",
        source="this project; AutoGAN has 30",
    ),
    Gap(
        what="the reward, in the paper the AP of COCO's validation set",
        instead="the share of joints near their target on persons held out of the training set",
        source="this project: AP says little of one batch, and the persons of the final test decide nothing",
    ),
    Gap(
        what="which operations a reward is taken with, and with which branches cells learn before the controller does",
        instead="the most probable ones; all that the search space allows",
        source="this project: what is derived in the end has those operations; weights learn far sooner than along branches "
        "drawn at random",
    ),
    Gap(what=f"of how many drawn vectors the best is kept, {_LOST}", instead="10", source=_AUTOGAN),
    HELD_OUT,
)
NODES = Gap(what=f"nodes of the two cells, {_LOST}", instead="four and two", source="four as in DARTS and GDAS; this project")
VIEWS = Gap(
    what="how images are augmented during the search",
    instead="as in the final training, those of held-out persons too",
    source="the text describes one augmentation",
)
SHORT = (
    UNALTERED,
    Gap(
        what="from when on the controller learns in a search this short",
        instead="the middle of the search",
        source="this project: after the four epochs of the text shared weights are still worth nothing to be rewarded by",
    ),
)
FEWER_NODES = Gap(
    what=f"nodes of the two cells, {_LOST}",
    instead="two and one",
    source="this project: in a search this short, so that each weight is on more of the paths",
)
SIZE = Gap(what=f"the reduced image size, {_LOST}", instead="half the sides", source="this project")
SINGLE = Gap(
    what="how a controller is kept to one branch a stage",
    instead="the vectors with more are left out of its choice",
    source="this project",
)
