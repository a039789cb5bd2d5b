"""The glass box: boosted trees read out as exact additive tables."""
