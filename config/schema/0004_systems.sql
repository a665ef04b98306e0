-- What platforms need beside positions: drivers who are out of service, orders on their way, and events that somebody is
-- told about.

-- Drivers whom a backend has put out of service, and those whom it has put back.
CREATE TABLE driver_states (
    driver_id  text PRIMARY KEY,
    is_active  boolean NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL                                                            -- a credential's id
);

-- A key's own limit of requests; null is limits.key_requests_per_s.
ALTER TABLE api_keys
    ADD COLUMN rate_limit_requests bigint CHECK (rate_limit_requests BETWEEN 1 AND 1000000000),
    ADD COLUMN rate_limit_period_ms bigint CHECK (rate_limit_period_ms BETWEEN 1000 AND 86400000),
    ADD CHECK ((rate_limit_requests IS NULL) = (rate_limit_period_ms IS NULL));

-- How far the way of an order has come, so that each stage is told once, whichever gateway sees it and however often.
CREATE TABLE order_progress (
    order_id   text NOT NULL,
    driver_id  text NOT NULL,
    stage      smallint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (order_id, driver_id)
);

-- What happened to orders, until everybody who is to be told was told. The id is the event's own: a receiver that is told
-- twice knows it by that.
CREATE TABLE order_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     text NOT NULL UNIQUE,
    order_id     text NOT NULL,
    driver_id    text NOT NULL,
    type         text NOT NULL,
    at           timestamptz NOT NULL,
    detail       jsonb NOT NULL DEFAULT '{}',                                           -- the position, the user, the estimate
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    last_error   text,
    delivered_at timestamptz
);
CREATE INDEX order_events_due ON order_events (next_at, id) WHERE delivered_at IS NULL;
CREATE INDEX order_events_order ON order_events (order_id, id);

-- One row where the history stands in another schema than this (history.schema): written by whoever moved it.
CREATE TABLE history_place (
    schema_name text NOT NULL,
    one_row     boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);
