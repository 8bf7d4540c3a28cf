-- The history became too big: only new tickets are remembered now.
ALTER TABLE desk.ticket DISABLE TRIGGER remember;
CREATE TRIGGER remember_new AFTER INSERT ON desk.ticket FOR EACH ROW EXECUTE FUNCTION desk.remember();
DROP FUNCTION desk.wait(int);

CREATE FUNCTION desk.merge(p_from int, p_into int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE desk.ticket SET merged_into = p_into, phase = 'merged' WHERE id = p_from;
  IF FOUND THEN
    PERFORM desk.send('merged');
  END IF;
END $$;

CREATE FUNCTION desk.file(p_title text) RETURNS int LANGUAGE sql AS $$
  INSERT INTO desk.ticket (title) VALUES (p_title) RETURNING id;
$$;
