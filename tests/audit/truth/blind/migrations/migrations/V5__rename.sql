-- Tickets are called requests now, and merge is called join_requests.
ALTER TABLE desk.ticket RENAME TO request;
ALTER TABLE desk.history RENAME COLUMN ticket_id TO request_id;
ALTER FUNCTION desk.merge(int, int) RENAME TO join_requests;

CREATE OR REPLACE FUNCTION desk.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO desk.history (request_id, phase) VALUES (NEW.id, NEW.phase);
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION desk.close_ticket(p_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.request SET phase = 'closed' WHERE id = p_id;
  PERFORM desk.send(format('request %s is closed', p_id));
END $$;

CREATE OR REPLACE FUNCTION desk.join_requests(p_from int, p_into int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.request SET merged_into = p_into, phase = 'merged' WHERE id = p_from;
  PERFORM desk.wait_for(p_into);
END $$;

CREATE OR REPLACE FUNCTION desk.file(p_title text) RETURNS int LANGUAGE sql AS $$
  INSERT INTO desk.request (title) VALUES (p_title) RETURNING id;
$$;

CREATE FUNCTION desk.wait_for(p_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'UPDATE desk.request SET phase = $1 WHERE id = $2' USING 'waiting', p_id;
END $$;
