-- Comes after V5, not after V1.
\echo 'the last one'
CREATE OR REPLACE FUNCTION desk.wait_for(p_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.request SET phase = 'waiting' WHERE id = p_id;
  INSERT INTO desk.mail (body) VALUES ('waiting');
END $$;
