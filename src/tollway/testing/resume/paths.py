"""Tasks by what they are to the task under test, which is the same in every run, unlike their ids."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from uuid import UUID

from tollway.testing.database import TestDatabase

# A child's name is the step under which its parent has recorded its start.
FAMILY = """
select t.task_id, t.parent_task_id, t.task_name,
       (select c.checkpoint_name from absurd.checkpoint c
        where c.task_id = t.parent_task_id and c.state ->> 'task_id' = t.task_id::text and c.checkpoint_name like '$child:%%' limit 1)
from absurd.task t order by t.ctid"""
_RUN_ID_DIGITS = 6
"""A run's id is its task's with the attempt in the last digits."""


class Paths:
    """Of one run. The task under test has the empty path."""

    def __init__(self, database: TestDatabase, root: UUID) -> None:
        self._database = database
        self._root = root
        self._known: dict[str, str] = {str(root): ""}

    def of(self, task_id: object) -> str:
        """The task's path: `child 'charge#1'`, `child 'a' of child 'b'`, or the workflow's name for what has no parent."""
        if str(task_id) not in self._known:
            self._load()
        return self._known.get(str(task_id), f"task {task_id}")

    def all(self) -> dict[str, str]:
        """Every task's path, by its id."""
        self._load()
        return self._known

    def neutral(self, text: str) -> str:
        """The text with ids of tasks and runs replaced by paths."""
        for task_id, path in self._known.items():
            stem = re.escape(task_id[:-_RUN_ID_DIGITS])
            text = re.sub(rf"{stem}[0-9a-f]{{{_RUN_ID_DIGITS}}}", f"<id of {path or 'the task'}>", text)
        return text

    def _load(self) -> None:
        rows: list[Any] = self._database.conn.execute(FAMILY.replace("%%", "%")).fetchall()
        own: Counter[str] = Counter()
        named: dict[UUID, str] = {}
        for task_id, parent, name, step in rows:
            if task_id == self._root:
                named[task_id] = ""
            elif step is not None:
                above = named.get(parent, "")
                named[task_id] = f"child {step.removeprefix('$child:')!r}" + (f" of {above}" if above else "")
            else:
                own[name] += 1
                named[task_id] = f"workflow {name!r}" + (f" ({own[name]})" if own[name] > 1 else "")
        self._known = {str(task_id): path for task_id, path in named.items()}
