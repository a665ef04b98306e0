-- Which gateways there are: when each was heard of last and on which machine, so that one that is gone for good can be told
-- from one that has nothing to write.
ALTER TABLE ingest_checkpoints
    ADD COLUMN heard_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN host text;                                                               -- its machine's name
