"""Names of the published STgram-MFN's PyTorch tensors, and where they live in `STgramNetwork`."""

from asd_jax.detectors.stgram_mfn import STgramNetwork
from asd_jax.interop import pytorch
from asd_jax.interop.pytorch import Rule, batch_norm


def rules(network: STgramNetwork) -> dict[str, Rule]:
    """One rule a tensor of the published state dict."""
    found: dict[str, Rule] = {
        "arcface.weight": (("arcface", "weight"), pytorch.same),
        "tgramnet.conv_extrctor.weight": (("tgram", "filters"), pytorch.strided_filters),
        "mobilefacenet.fc_out.weight": (("linear", "kernel"), pytorch.linear),
        "mobilefacenet.fc_out.bias": (("linear", "bias"), pytorch.same),
    }
    for i in range(len(network.tgram.norms)):
        block = f"tgramnet.conv_encoder.{i}"
        found[f"{block}.0.weight"] = (("tgram", "norms", i, "scale"), pytorch.same)
        found[f"{block}.0.bias"] = (("tgram", "norms", i, "bias"), pytorch.same)
        found[f"{block}.2.weight"] = (("tgram", "convolutions", i, "kernel"), pytorch.conv1d)
    return found | _image_network(
        "mobilefacenet", ("image_network",), len(network.image_network.blocks)
    )


def _image_network(source: str, target: tuple[str | int, ...], blocks: int) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    stages = {
        "conv1": ("stem", pytorch.conv2d, True),
        "dw_conv1": ("stem_filter", pytorch.depthwise, True),
        "conv2": ("head", pytorch.pointwise, True),
        "linear7": ("pool", pytorch.depthwise, False),
        "linear1": ("embed", pytorch.pointwise, False),
    }
    for theirs, (mine, transform, has_activation) in stages.items():
        name = f"{source}.{theirs}"
        kernel = (*target, mine, "kernel")
        found[f"{name}.conv.weight"] = (kernel, transform)
        found |= batch_norm(f"{name}.bn", (*target, f"{mine}_norm"))
        if has_activation:
            found[f"{name}.prelu.weight"] = ((*target, f"{mine}_activation", "slope"), pytorch.same)
    for i in range(blocks):
        found |= _bottleneck(f"{source}.blocks.{i}.conv", (*target, "blocks", i))
    return found


def _bottleneck(source: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    return {
        f"{source}.0.weight": ((*target, "expand", "kernel"), pytorch.pointwise),
        **batch_norm(f"{source}.1", (*target, "expand_norm")),
        f"{source}.2.weight": ((*target, "expand_activation", "slope"), pytorch.same),
        f"{source}.3.weight": ((*target, "filter", "kernel"), pytorch.depthwise),
        **batch_norm(f"{source}.4", (*target, "filter_norm")),
        f"{source}.5.weight": ((*target, "filter_activation", "slope"), pytorch.same),
        f"{source}.6.weight": ((*target, "project", "kernel"), pytorch.pointwise),
        **batch_norm(f"{source}.7", (*target, "project_norm")),
    }
