"""Sigma rules in: read by pySigma, said again in our terms, run in the same index as all other rules."""
