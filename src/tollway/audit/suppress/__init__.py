"""Suppressions: findings that may stay, each with a reason; one that silences nothing is a finding itself."""
