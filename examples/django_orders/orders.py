"""Start a workflow inside Django's transaction. Django's own connection is psycopg's, one attribute deeper."""

from django.db import connection, transaction

from tollway import SyncContext, Tollway

app = Tollway(queue="django")


def pack(order_id: int) -> str:
    return f"order {order_id}"


@app.workflow(version="1")
def fulfil(ctx: SyncContext, order_id: int) -> str:
    return ctx.step("pack", pack, order_id)


def place_order(item: str) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:  # or your models
            cursor.execute("insert into shop_order (item) values (%s) returning id", [item])
            (order_id,) = cursor.fetchone()
        app.start_sync(fulfil, order_id, idempotency_key=f"order:{order_id}", conn=connection.connection)
    return int(order_id)
