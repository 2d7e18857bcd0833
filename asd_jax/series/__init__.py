"""Plain multivariate time series, as in the Anomaly Transformer's paper: training, scoring, decisions."""
