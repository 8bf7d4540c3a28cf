ALTER TABLE desk.ticket DROP CONSTRAINT ticket_phase;
ALTER TABLE desk.ticket ADD CONSTRAINT ticket_phase_v3 CHECK (phase = ANY (ARRAY['open', 'waiting', 'closed', 'merged']::text[]));
ALTER TABLE desk.ticket ADD COLUMN merged_into int REFERENCES desk.ticket (id) ON DELETE SET NULL;

-- one-time repair of old rows
UPDATE desk.ticket SET phase = 'waiting' WHERE phase = 'open' AND owner IS NULL;

DO $do$
DECLARE r record;
BEGIN
  FOR r IN SELECT id FROM desk.ticket WHERE title = '' LOOP
    DELETE FROM desk.ticket WHERE id = r.id;
    RAISE NOTICE 'delete from desk.ticket %', r.id;
  END LOOP;
END
$do$;
