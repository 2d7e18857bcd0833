"""From a detector's outputs to anomaly scores and decisions."""
