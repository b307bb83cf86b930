-- Up Migration

-- Refuses a row that goes back: what shows that the changes of a key came in another order.
CREATE FUNCTION never_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.turn < OLD.turn THEN
    RAISE EXCEPTION 'a later change of the key was applied before' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TABLE accounts (id bigint PRIMARY KEY, turn bigint NOT NULL);
CREATE TRIGGER never_back BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION never_back();

CREATE TABLE visits (id bigint PRIMARY KEY, turn bigint NOT NULL);
CREATE TRIGGER never_back BEFORE UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION never_back();

-- Down Migration

DROP TABLE accounts, visits;
DROP FUNCTION never_back;
