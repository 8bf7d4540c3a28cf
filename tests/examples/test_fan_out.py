"""Fan out: each shelf is a step, each shop a task of its own."""

from __future__ import annotations

from typing import Any


def test_all_shops_are_counted_by_children_and_their_shelves_by_steps(example: Any, tollway_env: Any) -> None:
    inventory = example("fan_out", "inventory")
    tollway_env.bind(inventory.app)
    shops = [inventory.Shop("north", ["tea", "coffee"]), inventory.Shop("south", ["salt"])]

    handle = tollway_env.start(inventory.count_all, shops)
    assert tollway_env.finish(handle) == {"north": 9, "south": 4}
    rows = tollway_env.db.rows("select task_name from absurd.task order by task_name")
    assert [row[0] for row in rows] == ["count_all", "count_shop", "count_shop"]
    shelves = tollway_env.db.rows("select checkpoint_name from absurd.checkpoint where checkpoint_name like 'shelf%%' order by 1")
    assert [row[0] for row in shelves] == ["shelf[0]", "shelf[0]", "shelf[1]"]
    assert tollway_env.db.verify() == []


def test_it_ends_the_same_wherever_its_worker_is_killed(example: Any, tollway_env: Any) -> None:
    inventory = example("fan_out", "inventory")
    tollway_env.bind(inventory.app)

    tollway_env.assert_resume_safe(inventory.count_all, [inventory.Shop("north", ["tea", "coffee"])], max_kills=6)
