"""Waveform to features, on the device."""
