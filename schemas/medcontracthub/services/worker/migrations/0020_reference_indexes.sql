-- Up Migration

-- Without them the removal of a company reads all accounts and opportunities.
CREATE INDEX accounts_company ON accounts (company_id);
CREATE INDEX opportunities_awarded_company ON opportunities (awarded_company_id);

-- Down Migration

DROP INDEX opportunities_awarded_company, accounts_company;
