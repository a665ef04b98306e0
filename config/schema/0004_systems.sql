-- What platforms with a data model of their own need.

-- One row where the history stands in another schema than this (history.schema): written by whoever moved it.
CREATE TABLE history_place (
    schema_name text NOT NULL,
    one_row     boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);
