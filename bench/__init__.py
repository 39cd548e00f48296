"""Benchmarks. ``make bench`` runs them all; each prints medians, and ratios measured in the same run."""
