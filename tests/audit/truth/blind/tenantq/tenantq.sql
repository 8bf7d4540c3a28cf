/* A job queue with one set of tables per tenant, made by functions. */
CREATE SCHEMA tq;
SET search_path TO tq, public;

CREATE TYPE tq.job_status AS ENUM ('ready', 'busy', 'done', 'dead');
CREATE TABLE tq.tenants (slug text PRIMARY KEY, plan text NOT NULL DEFAULT 'free');
CREATE TABLE tq.audit (tenant text, job bigint, status text, at timestamptz DEFAULT now());

CREATE FUNCTION tq.tbl(p_slug text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT 'jobs_' || p_slug $$;

CREATE FUNCTION tq.idx(p int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT p + 1 $$;

CREATE OR REPLACE FUNCTION tq.add_tenant(p_slug text, p_plan text DEFAULT 'free') RETURNS void
LANGUAGE plpgsql AS $fn$
DECLARE
    part text;
    ddl  text := '';
BEGIN
    INSERT INTO tenants (slug, plan) VALUES (p_slug, p_plan)
    ON CONFLICT (slug) DO UPDATE SET plan = EXCLUDED.plan;

    EXECUTE format($q$
        CREATE TABLE IF NOT EXISTS tq.%I (
            id bigserial PRIMARY KEY,
            status tq.job_status NOT NULL DEFAULT 'ready',
            payload jsonb,
            tries int DEFAULT 0
        )$q$, 'jobs_' || p_slug);

    EXECUTE 'CREATE OR REPLACE FUNCTION tq.push_' || p_slug || '(p jsonb) RETURNS bigint LANGUAGE sql AS $b$
        INSERT INTO tq.jobs_' || p_slug || ' (payload) VALUES (p) RETURNING id;
    $b$';

    FOREACH part IN ARRAY ARRAY['ready', 'done'] LOOP
        ddl := ddl || format('CREATE INDEX ON tq.%1$I (id) WHERE status = %2$L;', 'jobs_' || p_slug, part);
    END LOOP;
    EXECUTE ddl;
END
$fn$;

CREATE FUNCTION tq.take(p_slug text, p_n int) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    seen int[];
    rid bigint;
BEGIN
    FOR rid IN EXECUTE format(
        'WITH c AS (SELECT id FROM tq.%1$I WHERE status = ''ready'' ORDER BY id LIMIT %2$s FOR UPDATE SKIP LOCKED)
         UPDATE tq.%1$I j SET status = ''busy'', tries = tries + 1 FROM c WHERE c.id = j.id RETURNING j.id',
        'jobs_' || p_slug, p_n)
    LOOP
        seen[tq.idx(1)] := rid;
        INSERT INTO audit (tenant, job, status) VALUES (p_slug, rid, 'busy');
        RETURN NEXT rid;
    END LOOP;
END $$;

CREATE FUNCTION tq.finish(p_slug text, p_id bigint, p_ok boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_status tq.job_status;
    v_unused text;
    v_sql text;
    n bigint;
BEGIN
    v_status := CASE WHEN p_ok THEN 'done' ELSE 'dead' END;
    v_sql := concat('UPDATE ', quote_ident('tq'), '.', quote_ident('jobs_' || p_slug), coalesce(v_unused, ' AS j'),
                    ' SET status = $1 WHERE id = $2');
    EXECUTE v_sql USING v_status, p_id;
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM tq.log(p_slug, p_id, v_status::text);
    RETURN n > 0;
END $$;

CREATE FUNCTION tq.log(text, bigint, text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO tq.audit VALUES ($1, $2, $3, now())
$$;

CREATE FUNCTION tq.requeue(p_slug text, p_mode text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    cmd text;
    target regclass := format('tq.%I', tq.tbl(p_slug))::regclass;
BEGIN
    IF p_mode = 'all' THEN
        cmd := 'update %s set status = ''ready''';
    ELSIF p_mode = 'dead' THEN
        cmd := 'delete from %s where status = ''dead''';
    ELSE
        cmd := 'select 1 from %s where false';
    END IF;
    EXECUTE format(cmd, target);
END $$;

CREATE FUNCTION tq.tries(p_slug text, p_id bigint) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE
    r int;
BEGIN
    EXECUTE 'SELECT tries FROM tq.' || quote_ident(tq.tbl(p_slug)) || ' WHERE id = $1 -- not an update' INTO r USING p_id;
    RETURN r;
END $$;

CREATE FUNCTION tq.sweep() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT slug FROM tenants ORDER BY slug LOOP
        EXECUTE format('UPDATE tq.%I SET tries = 0 WHERE status = %L', 'jobs_' || t.slug, 'dead');
        PERFORM requeue(t.slug, 'dead');
    END LOOP;
END $$;

CREATE FUNCTION tq.drop_tenant(p_slug text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('TRUNCATE TABLE tq.%I', 'jobs_' || p_slug);
    EXECUTE format('DROP TABLE tq.%I; DROP FUNCTION tq.%I(jsonb)', 'jobs_' || p_slug, 'push_' || p_slug);
    DELETE FROM tenants WHERE slug = p_slug;
END $$;

CREATE FUNCTION tq.schedule(p_slug text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN cron.schedule('sweep_' || p_slug, '*/5 * * * *', format('SELECT tq.take(%L, 10); UPDATE tq.tenants SET plan = ''old'' WHERE slug = %L', p_slug, p_slug));
END $$;

SELECT cron.schedule('sweep', '@hourly', $$select tq.sweep()$$);
