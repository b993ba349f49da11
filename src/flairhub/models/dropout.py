"""Modality dropout: during training, a sample loses some of its modalities, never all.

In evaluation the same replacement shows what a network does without some of its inputs: see `ModalityDropout.mask`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from flairhub.errors import ConfigurationError


def draw_dropped(probabilities: Sequence[float], batch_size: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw which modalities each sample loses.

    Each modality i is drawn on its own with its probability p_i. Where that takes all M modalities of a sample, one
    of them, uniformly chosen, stays. So modality i is dropped with p_i - prod(p) / M.

    Args:
        probabilities: one per modality, 0..1.
        batch_size: number of samples.
        generator: source of the draws, on the CPU; None: torch's global generator. Two draws per call: B x M uniform
            numbers, then B integers, whatever they turn out to be, so that the state afterwards does not depend on
            the outcome.

    Returns:
        Bool `[B, M]` on the CPU, True where dropped.
    """
    chance = torch.tensor(list(probabilities), dtype=torch.float64)
    dropped = torch.rand(batch_size, len(chance), dtype=torch.float64, generator=generator) < chance
    keeper = torch.randint(len(chance), (batch_size,), generator=generator)
    rescued = dropped.all(dim=1)
    dropped[rescued, keeper[rescued]] = False
    return dropped


class ModalityDropout(nn.Module):
    """Replaces the maps of dropped modalities by zeros, or by one learned value per channel."""

    def __init__(
        self,
        probabilities: Mapping[str, float],
        channels: Mapping[str, Sequence[int]],
        replacement: Literal["zero", "learned"],
    ) -> None:
        """Build the module.

        Args:
            probabilities: modality -> probability; a missing one has 0.
            channels: modality -> channels of each of its maps, for every modality of the network in encoder order.
            replacement: `learned` adds parameters for modalities whose probability is above 0.

        Raises:
            ConfigurationError: a probability lies outside 0..1.
        """
        super().__init__()
        for name, value in probabilities.items():
            if not 0 <= value <= 1:
                raise ConfigurationError(f"Expected modality_dropout.{name} within 0..1, but got {value}.")
        self.modalities = tuple(channels)
        self.probabilities = tuple(float(probabilities.get(name, 0.0)) for name in channels)
        self.generator: torch.Generator | None = None
        """Source of the draws; None: torch's global generator. Not part of the state dict."""
        self.masked: frozenset[str] = frozenset()
        """Modalities that evaluation goes without; set by `mask`. Not part of the state dict."""
        self.replacements = nn.ModuleDict()
        if replacement == "learned" and len(channels) > 1:
            for name, value in zip(self.modalities, self.probabilities, strict=True):
                if value > 0:
                    # Stages without channels (dummies of some encoders) have nothing to replace.
                    self.replacements[name] = nn.ParameterDict(
                        {str(stage): torch.zeros(width) for stage, width in enumerate(channels[name]) if width}
                    )

    def mask(self, modalities: Iterable[str]) -> None:
        """Replace modalities of every sample in evaluation mode, as training replaces dropped ones.

        Args:
            modalities: names; none of them: evaluate with all inputs again.

        Raises:
            ConfigurationError: the network does not have one of them, or would be left without any.
        """
        names = frozenset(modalities)
        unknown = sorted(names - set(self.modalities))
        if unknown or names >= set(self.modalities):
            raise ConfigurationError(
                f"Expected to mask some, but not all, of {', '.join(self.modalities)}, but got "
                f"{', '.join(unknown or sorted(names))}; a network cannot predict without any input."
            )
        self.masked = names

    def forward(self, maps: Mapping[str, Sequence[Tensor]]) -> dict[str, list[Tensor]]:
        """Replace maps `[B, C, H, W]` of dropped modalities in training, of masked ones in evaluation."""
        if not self.training:
            return {name: self._left(name, stages) for name, stages in maps.items()}
        if len(self.modalities) < 2 or not any(self.probabilities):
            return {name: list(stages) for name, stages in maps.items()}
        first = next(iter(maps.values()))[0]
        dropped = draw_dropped(self.probabilities, first.shape[0], self.generator).to(first.device)
        return {
            name: [self._replace(x, dropped[:, i], name, stage) for stage, x in enumerate(maps[name])]
            if self.probabilities[i] > 0
            else list(maps[name])
            for i, name in enumerate(self.modalities)
        }

    def _left(self, name: str, stages: Sequence[Tensor]) -> list[Tensor]:
        """Maps in evaluation."""
        if name not in self.masked:
            return list(stages)
        every = torch.ones(len(stages[0]), dtype=torch.bool, device=stages[0].device)
        return [self._replace(x, every, name, stage) for stage, x in enumerate(stages)]

    def _replace(self, x: Tensor, dropped: Tensor, name: str, stage: int) -> Tensor:
        if x.shape[1] == 0:
            return x
        if name in self.replacements:
            value = self.replacements[name][str(stage)][None, :, None, None].to(x.dtype)  # type: ignore[index]  # a ModuleDict of ParameterDicts
        else:
            value = x.new_zeros(())
        return torch.where(dropped[:, None, None, None], value, x)
