"""STgram-MFN with a time-delay network as its temporal front end (Zhao's STgram collection, ICCC 2024).

Detector and objective are those of STgram-MFN; what differs is the network on the waveform, a linear layer in front of
the class head, and the recipe. The published code ignores the margin and the scale that it is asked for: 0.5 and 32,
which it always uses, are the defaults here, and other values are honoured.
"""

import dataclasses

import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.schedules import hold_then_periodic_cosine
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
from asd_jax.nn.tdnn import CONTEXT_FRAMES, TDNN
from asd_jax.ranges import CountOrNone, LearningRate, NonNegative, Positive


@dataclasses.dataclass(frozen=True)
class TDNNSTgramConfig(STgramMFNConfig):
    """Settings of TDNN-STgram; the defaults are the collection's.

    Attributes:
        tdnn_hop: samples between frames of the waveform's filterbank; 0 chooses the largest hop that makes as many
            frames as the log-mel has after the network (488 for the published 147,000 samples; a few frames at the
            end are left out where no hop fits exactly).
        half_period: epochs from the full rate to the lowest, and back.
        lowest_rate: the lowest rate.
    """

    clip: WindowPolicy = WindowPolicy(samples=147000, short="mirror")
    margin: NonNegative = 0.5
    scale: Positive = 32.0
    projection: CountOrNone = 256
    learning_rate: LearningRate = 1e-3
    hold_epochs: CountOrNone = 15
    tdnn_hop: CountOrNone = 0
    half_period: CountOrNone = 5
    lowest_rate: LearningRate = 5e-5

    def schedule(self, steps_per_epoch: int, epochs: int) -> optax.Schedule:
        return hold_then_periodic_cosine(
            self.learning_rate,
            steps_per_epoch,
            self.hold_epochs,
            self.half_period,
            self.lowest_rate,
        )

    def temporal_network(self, rngs: nnx.Rngs) -> TDNN:
        mel, samples = self.features, self.clip.samples
        wanted = mel.frames(samples) + CONTEXT_FRAMES
        hop = self.tdnn_hop or max(samples // (wanted - 1), 1)
        made = samples // hop + 1
        if made < wanted or (self.tdnn_hop and made != wanted):
            raise ValueError(
                f"a hop of {hop} samples makes {made} frames of {samples} samples, but the log-mel needs {wanted}: "
                "leave detector.tdnn_hop at 0, or enlarge detector.clip.samples"
            )
        return TDNN(wanted, mel.n_mels, mel.n_fft, hop, rngs=rngs)
