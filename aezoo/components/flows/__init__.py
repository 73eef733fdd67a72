"""Invertible maps of vectors with known log-determinants, for posteriors and priors."""
