"""Verdicts: for each change of a state and each required effect, how surely one follows the other."""
