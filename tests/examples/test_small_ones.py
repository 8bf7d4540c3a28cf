"""The examples of the how-to pages."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from tollway.errors import TaskFailed


@pytest.fixture
def sales(example: Any, tollway_env: Any, monkeypatch: Any) -> Any:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    monkeypatch.setenv("TOLLWAY_DATABASE_URL", tollway_env.db.dsn)
    module = example("sqlalchemy", "sales")
    module.Base.metadata.create_all(module.sessions.kw["bind"])
    tollway_env.bind(module.app, connect=lambda dsn: sessionmaker(create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))))
    yield module
    module.sessions.kw["bind"].dispose()


def test_a_sale_and_its_workflow_are_one_transaction(sales: Any, tollway_env: Any) -> None:
    sale = sales.sell("tea")
    tollway_env.work_off()

    assert tollway_env.db.one("select shipped from sales where id = %s", sale) is True
    assert tollway_env.db.one("select state from absurd.task") == "completed"


def test_a_sale_that_is_rolled_back_starts_nothing(sales: Any, tollway_env: Any, monkeypatch: Any) -> None:
    start = sales.app.start_sync

    def breaks(*args: Any, **options: Any) -> None:
        start(*args, **options)
        raise OSError("before the commit")

    monkeypatch.setattr(sales.app, "start_sync", breaks)
    with pytest.raises(OSError, match="before the commit"):
        sales.sell("tea")

    assert tollway_env.db.one("select count(*) from sales") == 0
    assert tollway_env.db.one("select count(*) from absurd.task") == 0


def test_a_provider_that_does_not_answer_is_asked_again_with_the_same_key(example: Any, tollway_env: Any) -> None:
    payments = example("retries", "payments")
    tollway_env.bind(payments.app)

    assert tollway_env.run(payments.pay, "good") == "paid"
    assert len(payments.calls) == 3
    assert len(set(payments.calls)) == 1


def test_a_final_failure_is_tried_once_and_starts_its_handler(example: Any, tollway_env: Any) -> None:
    payments = example("retries", "payments")
    tollway_env.bind(payments.app)

    with pytest.raises(TaskFailed, match="stolen"):
        tollway_env.run(payments.pay, "stolen")
    tollway_env.work_off()
    assert len(payments.calls) == 2
    assert payments.calls[1] == "failed: the card is stolen"


if find_spec("django"):  # not among Tollway's own dependencies: runs where you install it

    def test_djangos_transaction_carries_the_start(example: Any, tollway_env: Any) -> None:
        from django.conf import settings
        from django.db import connection, transaction

        dsn = urlparse(tollway_env.db.dsn)
        database = {"NAME": dsn.path.strip("/"), "USER": dsn.username, "HOST": parse_qs(dsn.query)["host"][0]}
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **database}})
        orders = example("django_orders", "orders")
        tollway_env.bind(orders.app)
        tollway_env.db.conn.execute("create table shop_order (id serial primary key, item text)")

        def rolled_back() -> None:
            with transaction.atomic():
                orders.place_order("salt")
                raise OSError

        with pytest.raises(OSError):
            rolled_back()
        assert tollway_env.db.one("select count(*) from absurd.task") == 0
        assert tollway_env.db.one("select count(*) from shop_order") == 0

        orders.place_order("tea")
        tollway_env.work_off()
        assert tollway_env.db.one("select state from absurd.task") == "completed"
        connection.close()
