"""Metrics, official result tables and plots of the DCASE Challenge Task 2 years."""
