"""Survival: peer curves, Cox, discrete time and shifted-beta-geometric retention."""
