-- The past: roll-ups, archives, erasures, and who is connected.

-- Pings come about in the order of their times, so a few bytes a page range tell where a time is: what a question about
-- everybody at some time needs, such as active_driver_locations, since the primary key begins with the driver.
CREATE INDEX driver_location_events_recorded_at ON driver_location_events USING brin (recorded_at);

-- Each driver's hours, brought up to date by the gateway every history.rollup_s. Hours are UTC's. A segment between two
-- pings belongs to the hour that it ends in; silence longer than history.track_gap_s is no segment.
CREATE TABLE driver_location_hourly (
    driver_id  text NOT NULL,
    hour       timestamptz NOT NULL,                                                    -- when it begins
    pings      bigint NOT NULL CHECK (pings > 0),
    distance_m double precision NOT NULL,                                               -- along the track, great circles
    moving_m   double precision NOT NULL,                                               -- of it, while moving
    moving_s   double precision NOT NULL,                                               -- at 0.5 m/s or more between two pings
    idle_s     double precision NOT NULL,                                               -- at less
    mean_speed real GENERATED ALWAYS AS (CASE WHEN moving_s > 0 THEN moving_m / moving_s END) STORED, -- m/s, while moving
    max_speed  real,                                                                    -- m/s, reported; null: none was
    min_lat    double precision NOT NULL,                                               -- the bounding box, in degrees
    min_lng    double precision NOT NULL,
    max_lat    double precision NOT NULL,
    max_lng    double precision NOT NULL,
    first_at   timestamptz NOT NULL,
    first_lat  double precision NOT NULL,
    first_lng  double precision NOT NULL,
    last_at    timestamptz NOT NULL,
    last_lat   double precision NOT NULL,
    last_lng   double precision NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (driver_id, hour)
);
CREATE INDEX driver_location_hourly_hour ON driver_location_hourly (hour);

-- Hours that have pings which the roll-up has not seen: noted by the writer in the transaction that writes the pings, and
-- taken away by the roll-up. A writer notes a driver's hour once a generation, and again where an earlier ping comes. Who
-- writes into driver_location_events by hand notes the hours too, like the INSERT below.
CREATE TABLE driver_location_changes (
    driver_id  text NOT NULL,
    hour       timestamptz NOT NULL,
    from_at    timestamptz NOT NULL,                                                    -- the earliest of those pings;
                                                    -- -infinity: the hour's first segment may begin elsewhere now
    generation bigint NOT NULL
);

-- What was written before there was a roll-up.
INSERT INTO driver_location_changes (driver_id, hour, from_at, generation)
SELECT driver_id, date_bin('1 hour', recorded_at, timestamptz 'epoch'), min(recorded_at), 0
FROM driver_location_events GROUP BY 1, 2;

-- One row. The roll-up raises the generation while no writer's transaction is open: what they noted until then is complete.
CREATE TABLE history_generation (
    generation bigint NOT NULL,
    one_row    boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);
INSERT INTO history_generation (generation) VALUES (1);

-- Days that were written out, one file each, before their partition was dropped.
CREATE TABLE history_archives (
    file        text PRIMARY KEY,                                                       -- name in history.archive_directory
    partition   text NOT NULL,
    lower_bound timestamptz NOT NULL,
    upper_bound timestamptz NOT NULL,
    row_count   bigint NOT NULL,
    first_at    timestamptz,                                                            -- null where there is no row
    last_at     timestamptz,
    bytes       bigint NOT NULL,
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),                       -- of the file
    archived_at timestamptz NOT NULL DEFAULT now(),
    dropped_at  timestamptz                                                             -- when the partition went
);

-- Requests to erase a driver's telemetry, until they are done and after it, when only the hash tells whose it was.
CREATE TABLE erasures (
    id                 text PRIMARY KEY,
    driver_id          text,                                                            -- null once it is done
    driver_hash        bytea NOT NULL CHECK (octet_length(driver_hash) = 32),           -- HMAC-SHA256 under audit_key
    reaches_to         timestamptz NOT NULL,                                            -- what was received later stays
    keeps_registration boolean NOT NULL,                                                -- devices, orders, groups stay
    requested_by       text NOT NULL,                                                   -- a credential's id, or cli
    requested_at       timestamptz NOT NULL DEFAULT now(),
    nodes_done         text[] NOT NULL DEFAULT '{}',                                    -- whose journals are clean
    step               text NOT NULL DEFAULT 'journals',
    progress           jsonb NOT NULL DEFAULT '{}',
    receipt            jsonb,
    finished_at        timestamptz,
    CHECK ((finished_at IS NULL) = (driver_id IS NOT NULL)),
    CHECK ((finished_at IS NULL) = (receipt IS NULL))
);
CREATE INDEX erasures_open ON erasures (requested_at) WHERE finished_at IS NULL;

-- The secret behind the hashes that stand for erased drivers, where the configuration has none.
CREATE TABLE audit_key (
    secret  bytea NOT NULL,
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);
INSERT INTO audit_key (secret)
SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));

-- Which devices report, since when and with which app. Brought up to date in batches every history.sessions_s.
CREATE TABLE driver_sessions (
    driver_id       text NOT NULL,
    device_id       text NOT NULL,                                                      -- the credential's id, jwt for all
                                                                                        -- that the platform signs
    app_version     text,                                                               -- its User-Agent, null: none
    connected_since timestamptz,                                                        -- null while it is not connected
    last_seen       timestamptz NOT NULL,
    node_id         text NOT NULL,                                                      -- the gateway that heard it last
    PRIMARY KEY (driver_id, device_id)
);
CREATE INDEX driver_sessions_last_seen ON driver_sessions (driver_id, last_seen DESC);

-- The detail of an audit row without a driver's name: `stand_in` is put in its place wherever Drover writes one.
CREATE FUNCTION erased_detail(detail jsonb, driver text, stand_in text) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
SELECT coalesce(jsonb_object_agg(m.key, CASE
    WHEN m.key = 'driver_id' AND m.value = to_jsonb(driver) THEN to_jsonb(stand_in)
    WHEN m.key IN ('added', 'removed', 'subjects') AND jsonb_typeof(m.value) = 'array' THEN (
        SELECT coalesce(jsonb_agg(CASE
            WHEN m.key <> 'subjects' AND e.value = to_jsonb(driver) THEN to_jsonb(stand_in)
            WHEN m.key = 'subjects' AND e.value IN (to_jsonb('driver:' || driver), to_jsonb('driver:' || driver || '*'))
                THEN to_jsonb(stand_in)
            ELSE e.value END ORDER BY e.place), '[]')
        FROM jsonb_array_elements(m.value) WITH ORDINALITY AS e(value, place))
    ELSE m.value END), '{}')
-- What people called the driver's device may be the driver's name.
FROM jsonb_each(detail) m WHERE NOT (m.key = 'name' AND detail->>'driver_id' IS NOT DISTINCT FROM driver)
$$;
