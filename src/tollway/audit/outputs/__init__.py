"""What the auditor prints: for people, for machines, for code scanners."""
