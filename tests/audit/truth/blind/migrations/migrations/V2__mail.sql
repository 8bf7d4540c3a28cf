-- Closing sends a mail; waiting does not close any more.
CREATE OR REPLACE FUNCTION desk.send(p_body text, p_copies int DEFAULT 1) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. p_copies LOOP
    INSERT INTO desk.mail (body) VALUES (p_body);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION desk.close_ticket(p_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.ticket SET phase = 'closed' WHERE id = p_id;
  PERFORM desk.send(format('ticket %s is closed', p_id));
END $$;

CREATE OR REPLACE FUNCTION desk.wait(p_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.ticket SET phase = 'waiting' WHERE id = p_id;
END $$;
