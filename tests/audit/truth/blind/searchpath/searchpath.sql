-- Two products in one database: same table names, kept apart by search_path.
CREATE SCHEMA crm; CREATE SCHEMA "Shop";
CREATE TABLE crm.deal (id int PRIMARY KEY, stage text NOT NULL DEFAULT 'lead' CHECK (stage IN ('lead', 'won', 'lost')), value numeric);
CREATE TABLE crm.log (id serial, msg text);
CREATE TABLE "Shop".deal (id int PRIMARY KEY, stage text, price numeric);
CREATE TABLE "Shop"."Cart" ("cartId" int PRIMARY KEY, "cartState" text CHECK ("cartState" IN ('Open', 'Paid')) DEFAULT 'Open', total numeric);
CREATE TABLE "Shop".log (id serial, msg text);

CREATE FUNCTION crm.say(m text) RETURNS int LANGUAGE sql AS $$ INSERT INTO crm.log (msg) VALUES (m) RETURNING id $$;
CREATE FUNCTION "Shop".say(m text) RETURNS int LANGUAGE sql SET search_path = "Shop" AS $$ INSERT INTO log (msg) VALUES (m) RETURNING id $$;
CREATE FUNCTION crm.score(d int) RETURNS numeric LANGUAGE sql STABLE AS $$ SELECT 1.0 * d $$;
CREATE FUNCTION crm.score(d text) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
  UPDATE crm.deal SET stage = 'lost' WHERE id = d::int;
  RETURN 0;
END $$;

CREATE FUNCTION crm.win(p_id int) RETURNS void LANGUAGE plpgsql SET search_path = crm, pg_temp SECURITY DEFINER AS $$
DECLARE deal record; "when" timestamptz := now();
BEGIN
  SELECT * INTO deal FROM deal WHERE id = p_id;
  UPDATE deal SET stage = 'won' WHERE id = p_id;
  PERFORM say('won') FROM deal LIMIT 1;
END $$;
CREATE FUNCTION "Shop"."payCart"("cartId" int, OUT "newState" text) LANGUAGE plpgsql SET search_path TO "Shop" AS $$
BEGIN
  UPDATE "Cart" AS c SET "cartState" = 'Paid' WHERE c."cartId" = "payCart"."cartId" RETURNING c."cartState" INTO "newState";
  UPDATE deal SET stage = 'x' WHERE id = 0;
  "newState" := "newState" || (SELECT say('paid'))::text;
END $$;

CREATE FUNCTION crm.default_reason() RETURNS text LANGUAGE sql AS $$ SELECT 'no reason; DELETE FROM crm.deal' $$;
CREATE FUNCTION crm.lose(ids int[], reason text DEFAULT crm.default_reason()) RETURNS SETOF crm.deal LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY WITH x AS (UPDATE crm.deal SET stage = 'lost' WHERE id = ANY (ids) RETURNING *),
    y AS (SELECT crm.score(x.id) FROM x)
    SELECT * FROM x;
  IF NOT FOUND THEN RETURN; END IF;
  RETURN QUERY EXECUTE 'SELECT * FROM crm.deal WHERE id = ANY ($1)' USING ids;
END $$;
CREATE FUNCTION crm.lose_one(id int) RETURNS void LANGUAGE sql AS $$
  SELECT FROM crm.lose(reason => 'one', ids => ARRAY[id]) l, LATERAL (SELECT crm.score(l.id::text)) s;
$$;

CREATE TABLE crm.quote (
  id int PRIMARY KEY DEFAULT crm.say('new quote'),
  deal_id int REFERENCES crm.deal ON DELETE CASCADE,
  accepted boolean
);
CREATE FUNCTION crm.quote_accepted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.accepted AND NOT OLD.accepted THEN
    UPDATE crm.deal SET stage = 'won' WHERE id = NEW.deal_id AND stage <> 'won';
  END IF;
  NEW.accepted := coalesce(NEW.accepted, crm.score(1) > 0);
  RETURN NEW;
END $$;
CREATE TRIGGER accepted BEFORE UPDATE OF accepted ON crm.quote FOR EACH ROW EXECUTE FUNCTION crm.quote_accepted();

CREATE FUNCTION crm.import(dry boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; k text := 'won'; q text;
BEGIN
  CREATE TEMP TABLE staging (id int, stage text) ON COMMIT DROP;
  INSERT INTO staging SELECT g, 'lead' FROM generate_series(1, 10) g;
  INSERT INTO crm.deal (id, stage) SELECT id, stage FROM staging WHERE NOT dry ON CONFLICT (id) DO NOTHING;
  EXECUTE $x$UPDATE crm.deal SET stage = '$x$ || k || $x$' WHERE id < 0$x$;
  q := 'INSERT INTO crm.log (msg) VALUES (' || quote_literal('imported') || ') RETURNING id';
  IF dry THEN EXECUTE q INTO n; END IF;
  RETURN n;
END $$;

CREATE OR REPLACE FUNCTION crm.reset() RETURNS void LANGUAGE sql AS $$
  DELETE FROM crm.quote;
  UPDATE ONLY crm.deal SET value = NULL, stage = DEFAULT;
  WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) INSERT INTO crm.log (msg) SELECT 'reset ' || n FROM t;
$$;
DO LANGUAGE plpgsql 'BEGIN PERFORM crm.reset(); UPDATE crm.deal SET stage = ''lead'' WHERE stage IS NULL; END';
ALTER TABLE crm.deal ADD CHECK (crm.score(id) >= 0);
CREATE POLICY p ON crm.deal FOR UPDATE USING (crm.score(id) > 0);
SELECT "Shop"."payCart"(1), crm.win(2);
