-- Drover's first tables. Every name is relative to the schema that DROVER_POSTGRES_SCHEMA names.
-- A migration that was released is never edited: what changes comes in the next file.

CREATE TYPE driver_location_source AS ENUM ('gps', 'network', 'fused', 'manual');

-- The history: every kept ping, partitioned by the day of its fix time. The gateway makes the partitions.
-- The CHECKs are the last guard; BETWEEN also keeps NaN out, which Postgres sorts above every number.
CREATE TABLE driver_location_events (
    driver_id   text NOT NULL,
    recorded_at timestamptz NOT NULL,                                                   -- the device's fix time
    lat         double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),               -- degrees north, WGS84
    lng         double precision NOT NULL CHECK (lng BETWEEN -180 AND 180),             -- degrees east, WGS84
    speed       real,                                                                   -- m/s, null is unknown
    heading     real,                                                                   -- degrees in [0,360) from true north
    accuracy    real NOT NULL CHECK (0 < accuracy AND accuracy < 200),                  -- metres, horizontal radius
    altitude    real,                                                                   -- metres above mean sea level
    source      driver_location_source,
    session_id  text,
    flags       smallint NOT NULL DEFAULT 0,                                            -- 1 clamped, 2 late, 4 mock
    received_at timestamptz NOT NULL,                                                   -- the gateway's time of receipt
    PRIMARY KEY (driver_id, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- How far each gateway's journal is in the history; written in the transaction that writes the rows.
CREATE TABLE ingest_checkpoints (
    node_id    text PRIMARY KEY,
    lsn        bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Journal records that could not become rows, with the record as it stood in the journal.
CREATE TABLE ingest_dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id     text NOT NULL,
    lsn         bigint NOT NULL,
    driver_id   text,                                                                   -- null where it cannot be read
    recorded_at timestamptz,
    record      bytea NOT NULL,
    sqlstate    text NOT NULL,
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (node_id, lsn)
);

-- A backend's keys. Only the hash of a token is kept; permissions and subjects are those of the API.
CREATE TABLE api_keys (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    permissions  text[] NOT NULL DEFAULT '{}',
    subjects     text[],                                                                -- null is all subjects
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    last_used_at timestamptz
);

-- The devices that report for a driver.
CREATE TABLE driver_devices (
    id           text PRIMARY KEY,
    driver_id    text NOT NULL,
    name         text,
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz
);
CREATE INDEX driver_devices_driver_id ON driver_devices (driver_id);

-- Where everybody is: the newest ping of each driver within the last five minutes.
CREATE VIEW active_driver_locations AS
SELECT DISTINCT ON (driver_id)
    driver_id, recorded_at, lat, lng, speed, heading, accuracy, altitude, source, session_id, flags, received_at
FROM driver_location_events
WHERE recorded_at > now() - interval '5 minutes'
ORDER BY driver_id, recorded_at DESC;
