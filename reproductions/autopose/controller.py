"""The controller: a recurrent network that decides which branches run, stage after stage, and learns from rewards (Sec. 3.2.1).

What the text leaves open follows AutoGAN by the same first author: an LSTM that starts from zeros and is then shown what it
decided last, a linear layer a step, and a moving average of rewards as baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reproductions.autopose.architectures import SCALES, STAGES, Vector

State = tuple[Tensor, Tensor]


class Sample(NamedTuple):
    """Scale vectors, one a stage, and the logarithm of the probability with which just these are drawn."""

    stages: tuple[Vector, ...]
    log_probability: Tensor


class Controller(nn.Module):
    """A distribution over the scale vectors of all stages.

    A step scores the branches, and a vector in proportion to exp(the sum of its branches' scores): where all 16 vectors are
    allowed, that is four Bernoulli decisions, and where fewer are, the same among those.

    Args:
        allowed: the vectors that a stage can have.
    """

    vectors: Tensor

    def __init__(self, *, allowed: Sequence[Vector], hidden: int = 100) -> None:
        super().__init__()
        self.allowed = tuple(allowed)
        self.register_buffer("vectors", torch.tensor(self.allowed, dtype=torch.float32), persistent=False)
        self.tokens = nn.Embedding(len(self.allowed), hidden)
        self.lstm = nn.LSTMCell(hidden, hidden)
        self.decoders = nn.ModuleList(nn.Linear(hidden, len(SCALES)) for _ in range(STAGES))

    def _begin(self) -> tuple[Tensor, State | None]:
        return self.vectors.new_zeros(1, self.lstm.input_size), None

    def sample(self, generator: torch.Generator | None = None) -> Sample:
        """Draw a vector for each stage.

        Args:
            generator: on the processor; None: torch's global one.
        """
        token, state = self._begin()
        stages, total = [], self.vectors.new_zeros(())
        for decoder in self.decoders:
            state = self.lstm(token, state)
            scores = (decoder(state[0]) @ self.vectors.T).log_softmax(1)[0]
            drawn = torch.multinomial(scores.detach().cpu().exp(), 1, generator=generator)
            stages.append(self.allowed[int(drawn)])
            total = total + scores[int(drawn)]
            token = self.tokens(drawn.to(token.device))
        return Sample(tuple(stages), total)

    def steps(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each stage, ``[histories, vectors]``: the logarithms of the vectors' probabilities after all that can have been
        drawn before, and of the probabilities of having drawn that and then this."""
        token, state = self._begin()
        before = self.vectors.new_zeros(1)
        for decoder in self.decoders:
            state = self.lstm(token, state)
            scores = (decoder(state[0]) @ self.vectors.T).log_softmax(1)
            joint = before[:, None] + scores
            yield scores, joint
            before, token = joint.flatten(), self.tokens.weight.repeat(len(joint), 1)
            state = (state[0].repeat_interleave(len(self.allowed), 0), state[1].repeat_interleave(len(self.allowed), 0))

    def entropy(self) -> Tensor:
        """Of the vectors of all stages together, in nats, exactly."""
        return -torch.stack([(joint.exp() * scores).sum() for scores, joint in self.steps()]).sum()

    @property
    def largest_entropy(self) -> float:
        """That of a controller to which all vectors are alike, in nats."""
        return STAGES * float(torch.tensor(float(len(self.allowed))).log())


def loss(samples: Sequence[Sample], rewards: Sequence[float], baseline: float, entropy: Tensor, factor: float) -> Tensor:
    """REINFORCE: its descent makes samples more probable whose reward is above the baseline, and ``factor`` times the entropy
    larger."""
    gains = [sample.log_probability * (reward - baseline) for sample, reward in zip(samples, rewards, strict=True)]
    return -torch.stack(gains).mean() - factor * entropy
