"""The controller: a recurrent network that decides, stage by stage, which branches run, and learns from rewards (Sec. 3.2.1).

Details that the text leaves out follow AutoGAN, by the same first author: an LSTM that starts from zeros and then receives its
last decision, a linear layer for each step, and a moving average of rewards as baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reproductions.autopose.architectures import SCALES, STAGES, Vector

State = tuple[Tensor, Tensor]


class Sample(NamedTuple):
    """The scale vectors of all stages, and the logarithm of their joint probability (a scalar)."""

    stages: tuple[Vector, ...]
    log_probability: Tensor


class Controller(nn.Module):
    """A distribution over the scale vectors of all stages.

    Each step scores the branches; a vector's probability is proportional to exp(sum of its branches' scores). Where all 16
    vectors are allowed, this equals four Bernoulli decisions; otherwise, the same decisions restricted to the allowed vectors.

    Args:
        allowed: The vectors that a stage can have.
        hidden: Width of the LSTM.
    """

    vectors: Tensor

    def __init__(self, *, allowed: Sequence[Vector], hidden: int = 100) -> None:
        super().__init__()
        self.allowed = tuple(allowed)
        self.register_buffer("vectors", torch.tensor(self.allowed, dtype=torch.float32), persistent=False)
        self.tokens = nn.Embedding(len(self.allowed), hidden)
        self.lstm = nn.LSTMCell(hidden, hidden)
        self.decoders = nn.ModuleList(nn.Linear(hidden, len(SCALES)) for _ in range(STAGES))

    def _initial(self) -> tuple[Tensor, State | None]:
        return self.vectors.new_zeros(1, self.lstm.input_size), None

    def sample(self, generator: torch.Generator | None = None) -> Sample:
        """Draw a vector for each stage.

        Args:
            generator: A generator on the CPU; None for torch's global one.
        """
        token, state = self._initial()
        stages, log_probability = [], self.vectors.new_zeros(())
        for decoder in self.decoders:
            state = self.lstm(token, state)
            scores = (decoder(state[0]) @ self.vectors.T).log_softmax(1)[0]
            index = torch.multinomial(scores.detach().cpu().exp(), 1, generator=generator)
            stages.append(self.allowed[int(index)])
            log_probability = log_probability + scores[int(index)]
            token = self.tokens(index.to(token.device))
        return Sample(tuple(stages), log_probability)

    def log_probabilities(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield for each stage two tensors of log-probabilities, ``[histories, vectors]``.

        A history is a choice of vectors for all earlier stages. The first tensor holds the probability of each vector given the
        history, the second that of the history and the vector together.
        """
        token, state = self._initial()
        history = self.vectors.new_zeros(1)
        for decoder in self.decoders:
            state = self.lstm(token, state)
            conditional = (decoder(state[0]) @ self.vectors.T).log_softmax(1)
            joint = history[:, None] + conditional
            yield conditional, joint
            history, token = joint.flatten(), self.tokens.weight.repeat(len(joint), 1)
            state = (state[0].repeat_interleave(len(self.allowed), 0), state[1].repeat_interleave(len(self.allowed), 0))

    def entropy(self) -> Tensor:
        """Compute the exact entropy of the vectors of all stages together, in nats (a scalar)."""
        return -torch.stack([(joint.exp() * conditional).sum() for conditional, joint in self.log_probabilities()]).sum()

    @property
    def largest_entropy(self) -> float:
        """Return the entropy of the uniform distribution over the allowed vectors of all stages, in nats."""
        return STAGES * float(torch.tensor(float(len(self.allowed))).log())


def reinforce_loss(
    samples: Sequence[Sample], rewards: Sequence[float], baseline: float, entropy: Tensor, factor: float
) -> Tensor:
    """Compute the REINFORCE loss with an entropy bonus (a scalar).

    Minimizing it raises the probability of samples whose reward exceeds ``baseline``, lowers that of the others, and increases
    ``factor`` times the entropy.
    """
    gains = [sample.log_probability * (reward - baseline) for sample, reward in zip(samples, rewards, strict=True)]
    return -torch.stack(gains).mean() - factor * entropy
