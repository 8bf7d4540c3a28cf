--
-- PostgreSQL database dump
--

-- Dumped from database version 17.2
-- Dumped by pg_dump version 17.2

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;

CREATE SCHEMA app;
ALTER SCHEMA app OWNER TO postgres;

CREATE TYPE app.booking_status AS ENUM (
    'requested',
    'confirmed',
    'Checked-In',
    'no_show'
);

CREATE FUNCTION app.audit_booking() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO booking_audit (booking_id, status)
    VALUES (COALESCE(NEW.id, OLD.id), CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE NEW.status::text END);
    RETURN COALESCE(NEW, OLD);
END;
$$;

CREATE FUNCTION app.confirm(p_booking bigint) RETURNS app.booking_status
    LANGUAGE plpgsql SECURITY DEFINER
    AS $_$
DECLARE
    result app.booking_status;
BEGIN
    UPDATE app.booking SET status = 'confirmed'::app.booking_status
    WHERE booking.id = $1
    RETURNING booking.status INTO STRICT result;
    RETURN result;
EXCEPTION WHEN no_data_found THEN
    RETURN NULL;
END;
$_$;

CREATE FUNCTION app.check_in(bookings bigint[]) RETURNS TABLE(id bigint, status app.booking_status)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        UPDATE app.active_booking AS ab SET status = 'Checked-In'
        WHERE ab.id = ANY (bookings)
        RETURNING ab.id, ab.status;
END;
$$;

CREATE PROCEDURE app.archive(IN before_day date)
    LANGUAGE plpgsql
    AS $$
BEGIN
    LOCK TABLE app.booking IN SHARE ROW EXCLUSIVE MODE;
    WITH moved AS (
        DELETE FROM ONLY app.booking WHERE day < before_day RETURNING *
    )
    INSERT INTO app."Booking Archive" SELECT * FROM moved;
    COMMIT;
END;
$$;

CREATE FUNCTION app."cancelGuest"("p Guest" bigint) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    n integer;
BEGIN
    DELETE FROM app.guest WHERE "guestId" = "p Guest";
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END;
$$;

CREATE FUNCTION app.rooms_sync() RETURNS integer
    LANGUAGE plpgsql
    AS $$
BEGIN
    MERGE INTO app.room r USING app.room_feed f ON r.no = f.no
    WHEN MATCHED AND f.gone THEN UPDATE SET state = 'out'
    WHEN NOT MATCHED THEN INSERT (no, state) VALUES (f.no, 'clean');
    TRUNCATE app.room_feed;
    RETURN app."cancelGuest"(0);
END;
$$;

SET default_tablespace = '';
SET default_table_access_method = heap;

CREATE TABLE app.booking (
    id bigint NOT NULL,
    guest bigint NOT NULL,
    day date NOT NULL,
    status app.booking_status DEFAULT 'requested'::app.booking_status NOT NULL
)
PARTITION BY RANGE (day);

CREATE TABLE app.booking_2025 (
    id bigint NOT NULL,
    guest bigint NOT NULL,
    day date NOT NULL,
    status app.booking_status DEFAULT 'requested'::app.booking_status NOT NULL
);
CREATE TABLE app.booking_audit (booking_id bigint, status text, at timestamp with time zone DEFAULT now());
CREATE TABLE app."Booking Archive" (id bigint, guest bigint, day date, status text);
CREATE TABLE app.guest ("guestId" bigint PRIMARY KEY, note text);
CREATE TABLE app.room (no integer NOT NULL, state text, CONSTRAINT room_state CHECK ((state = ANY (ARRAY['clean'::text, 'dirty'::text, 'out'::text]))));
CREATE TABLE app.room_feed (no integer, gone boolean);

CREATE VIEW app.active_booking AS
 SELECT booking.id, booking.day, booking.status FROM app.booking WHERE (booking.status <> 'no_show'::app.booking_status);

CREATE FUNCTION app.expire() RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 UPDATE app.booking SET status = 'no_show'::app.booking_status
   WHERE ((booking.day < CURRENT_DATE) AND (booking.status = 'confirmed'::app.booking_status));
END;

COMMENT ON FUNCTION app.expire() IS 'update booking; delete from nothing';

ALTER TABLE ONLY app.booking ATTACH PARTITION app.booking_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

COPY app.booking_2025 (id, guest, day, status) FROM stdin;
1	7	2025-03-01	confirmed
2	7	2025-03-02	no_show
\.

COPY app.guest ("guestId", note) FROM stdin;
7	update app.booking set status = 'confirmed'; it's $$ quoted
8	\N
\.

ALTER TABLE ONLY app.booking ADD CONSTRAINT booking_pkey PRIMARY KEY (id, day);
CREATE INDEX booking_day ON app.booking_2025 USING btree (day);
CREATE TRIGGER booking_audit AFTER INSERT OR DELETE OR UPDATE ON app.booking FOR EACH ROW EXECUTE FUNCTION app.audit_booking();
ALTER TABLE app.booking ENABLE ALWAYS TRIGGER booking_audit;
ALTER TABLE app.booking ADD CONSTRAINT booking_guest_fkey FOREIGN KEY (guest) REFERENCES app.guest("guestId") ON DELETE CASCADE;
CREATE RULE keep AS ON DELETE TO app.room DO INSTEAD UPDATE app.room SET state = 'out' WHERE room.no = old.no;
REVOKE ALL ON FUNCTION app.confirm(p_booking bigint) FROM PUBLIC;
GRANT INSERT,UPDATE ON TABLE app.booking TO front_desk;
