-- Tickets of a help desk: first version.
\set ON_ERROR_STOP on
BEGIN;
CREATE SCHEMA desk;
CREATE TABLE desk.ticket (
  id     serial PRIMARY KEY,
  title  text NOT NULL,
  phase  text NOT NULL DEFAULT 'open' CONSTRAINT ticket_phase CHECK (phase IN ('open', 'waiting', 'closed')),
  owner  text
);
CREATE TABLE desk.history (ticket_id int, phase text, at timestamptz DEFAULT now());
CREATE TABLE desk.mail (id serial, body text);

CREATE FUNCTION desk.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO desk.history (ticket_id, phase) VALUES (NEW.id, NEW.phase);
  RETURN NEW;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON desk.ticket FOR EACH ROW EXECUTE FUNCTION desk.remember();

CREATE FUNCTION desk.close_ticket(p_id int) RETURNS void LANGUAGE sql AS $$
  UPDATE desk.ticket SET phase = 'closed' WHERE id = p_id;
$$;
CREATE FUNCTION desk.wait(p_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.ticket SET phase = 'waiting' WHERE id = p_id;
  PERFORM desk.close_ticket(p_id);
END $$;
COMMIT;
