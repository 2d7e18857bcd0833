"""A run as one HTML file: results, decisions, embeddings, and examples to look at and to listen to."""
