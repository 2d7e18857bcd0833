"""The package's own detectors: the only classes that a work directory may name and get."""

OWN = frozenset(
    f"asd_jax.detectors.{name}"
    for name in (
        "aegan_ad:AEGANADConfig",
        "anomaly_transformer:AnomalyTransformerConfig",
        "conv_autoencoder:ConvAutoencoderConfig",
        "dense_autoencoder:DenseAutoencoderConfig",
        "linear_autoencoder:LinearAutoencoderConfig",
        "mobilenetv2:MobileNetV2Config",
        "reconstruction_augmentation:ReconstructionAugmentationConfig",
        "stgram_mfn:STgramMFNConfig",
        "tdnn_stgram:TDNNSTgramConfig",
    )
)
"""`module:Class` of each detector's configuration."""
