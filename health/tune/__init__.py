"""Weights of the scorecard learnt from past outcomes, never far from the hand-set ones in vain."""
