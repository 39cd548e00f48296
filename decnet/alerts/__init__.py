"""Alerts: which tags somebody wants to hear of, how they are spelt and signed, and where they may go."""
