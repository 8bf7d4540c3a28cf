"""Breaking each trigger and each effect in turn: does the auditor, or the project's own check, notice?"""

from tollway.audit.mutants.make import Mutant, all_mutants
from tollway.audit.mutants.run import Outcome, mutate

__all__ = ["Mutant", "Outcome", "all_mutants", "mutate"]
