"""Scores and decisions for one's own recordings, by a trained work directory and without its dataset."""
