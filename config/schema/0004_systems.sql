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

-- How far the way of an order has come with each driver who carries it, so that every stage is told once, whichever
-- gateway sees it and however often.
CREATE TABLE order_progress (
    order_id   text NOT NULL,
    driver_id  text NOT NULL,
    origin     text NOT NULL CHECK (origin IN ('assignment', 'look_up')),               -- who ends the driver's turn
    stage      smallint NOT NULL DEFAULT 0 CHECK (stage BETWEEN 0 AND 4),               -- assigned, departed, arriving soon,
                                                                                        -- arriving, arrived
    user_id    text,                                                                    -- whose order it is, where known
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz,                                                             -- null while he carries it
    PRIMARY KEY (order_id, driver_id)
);
CREATE INDEX order_progress_open ON order_progress (driver_id) WHERE ended_at IS NULL;

-- What happened to orders, until everybody who is to be told was told. event_id is the event's own: a receiver that is told
-- twice knows it by that.
CREATE TABLE order_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       text NOT NULL UNIQUE DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
    order_id       text NOT NULL,
    driver_id      text NOT NULL,
    type           text NOT NULL
        CHECK (type IN ('assigned', 'departed', 'arriving_soon', 'arriving', 'arrived', 'ended')),
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    detail         jsonb NOT NULL DEFAULT '{}',                                         -- the position, the user, the estimate
    -- The webhook: attempts so far, when the next is due, and how it ended.
    attempts       integer NOT NULL DEFAULT 0,
    next_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error     text,
    delivered_at   timestamptz,
    gave_up_at     timestamptz,
    -- The platform's own tables, likewise.
    write_attempts integer NOT NULL DEFAULT 0,
    write_next_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_at     timestamptz
);
CREATE INDEX order_events_undelivered ON order_events (order_id, id) WHERE delivered_at IS NULL AND gave_up_at IS NULL;
CREATE INDEX order_events_unwritten ON order_events (order_id, id) WHERE written_at IS NULL;
CREATE INDEX order_events_recent ON order_events (order_id, at);
CREATE INDEX order_events_at ON order_events (at);

-- Drivers begin to carry orders: `turns` is [{"order_id","driver_id","user_id"}]. Who carries one already changes nothing.
CREATE FUNCTION begin_turns(turns jsonb, turns_origin text) RETURNS SETOF order_events
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
WITH begun AS (
    INSERT INTO order_progress AS p (order_id, driver_id, origin, user_id)
    SELECT DISTINCT ON (t.order_id, t.driver_id) t.order_id, t.driver_id, turns_origin, t.user_id
    FROM jsonb_to_recordset(turns) AS t(order_id text, driver_id text, user_id text)
    ORDER BY t.order_id, t.driver_id
    ON CONFLICT (order_id, driver_id) DO UPDATE SET
        origin = excluded.origin, stage = 0, user_id = excluded.user_id, updated_at = clock_timestamp(), ended_at = NULL
    WHERE p.ended_at IS NOT NULL
    RETURNING p.order_id, p.driver_id, p.user_id)
INSERT INTO order_events (order_id, driver_id, type, detail)
SELECT order_id, driver_id, 'assigned', jsonb_strip_nulls(jsonb_build_object('user', user_id)) FROM begun
RETURNING *
$$;

-- Drivers carry orders no more. An order that nobody carries then has ended, unless `carried` names it: somebody does whom
-- the caller knows of. Callers with one order take turns, so that the last of two who leave at once is seen to be the last.
CREATE FUNCTION end_turns(turns jsonb, carried text[]) RETURNS SETOF order_events
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    turn record;
    customer text;
BEGIN
    FOR turn IN
        SELECT DISTINCT t.order_id, t.driver_id FROM jsonb_to_recordset(turns) AS t(order_id text, driver_id text)
        ORDER BY t.order_id, t.driver_id
    LOOP
        PERFORM pg_advisory_xact_lock(
            hashtextextended('drover turns ' || current_schema() || ' ' || turn.order_id, 0));
        UPDATE order_progress p SET ended_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE p.order_id = turn.order_id AND p.driver_id = turn.driver_id AND p.ended_at IS NULL
        RETURNING p.user_id INTO customer;
        CONTINUE WHEN NOT FOUND OR turn.order_id = ANY (carried)
            OR EXISTS (SELECT FROM order_progress p WHERE p.order_id = turn.order_id AND p.ended_at IS NULL);
        RETURN QUERY INSERT INTO order_events (order_id, driver_id, type, detail)
            VALUES (turn.order_id, turn.driver_id, 'ended', jsonb_strip_nulls(jsonb_build_object('user', customer)))
            RETURNING *;
    END LOOP;
END
$$;

-- Orders have come further: `moves` is [{"order_id","driver_id","stage","detail"}]. A stage that was reached before, here or
-- by another gateway, changes nothing.
CREATE FUNCTION advance_orders(moves jsonb) RETURNS SETOF order_events
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
WITH moved AS (
    UPDATE order_progress p SET stage = m.stage, updated_at = clock_timestamp()
    FROM jsonb_to_recordset(moves) AS m(order_id text, driver_id text, stage smallint, detail jsonb)
    WHERE p.order_id = m.order_id AND p.driver_id = m.driver_id AND p.ended_at IS NULL AND p.stage < m.stage
    RETURNING p.order_id, p.driver_id, p.stage, p.user_id, m.detail)
INSERT INTO order_events (order_id, driver_id, type, detail)
SELECT order_id, driver_id, (ARRAY['departed', 'arriving_soon', 'arriving', 'arrived'])[stage],
    jsonb_strip_nulls(jsonb_build_object('user', user_id)) || coalesce(detail, '{}')
FROM moved
RETURNING *
$$;

-- Drivers whose orders a look-up gives carry these, and of those that it gave before no others. Returns what happened.
CREATE FUNCTION follow_orders(drivers text[], turns jsonb, carried text[]) RETURNS SETOF order_events
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    -- Who comes first, so that an order that is handed over does not end.
    RETURN QUERY SELECT * FROM begin_turns(turns, 'look_up');
    RETURN QUERY SELECT * FROM end_turns(
        (SELECT coalesce(jsonb_agg(jsonb_build_object('order_id', p.order_id, 'driver_id', p.driver_id)), '[]')
        FROM order_progress p
        WHERE p.driver_id = ANY (drivers) AND p.ended_at IS NULL AND p.origin = 'look_up' AND NOT EXISTS (
            SELECT FROM jsonb_to_recordset(turns) AS t(order_id text, driver_id text)
            WHERE t.order_id = p.order_id AND t.driver_id = p.driver_id)),
        carried);
END
$$;

-- Orders that were assigned before there were events.
INSERT INTO order_progress (order_id, driver_id, origin)
SELECT order_id, driver_id, 'assignment' FROM driver_assignments WHERE released_at IS NULL;

-- As before (0002), and the orders' turns begin and end with it: changes who carries an order or belongs to a group and
-- returns who does now, sorted. `removed` names who leaves; null is
-- everybody who is not in `added`. Two callers with one subject, on any gateway, take turns: under READ COMMITTED each
-- statement behind the lock sees what the other has committed. A call that changes nothing writes nothing.
CREATE OR REPLACE FUNCTION change_drivers(
    kind text, container text, added text[], removed text[], actor text, address text
) RETURNS text[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    gone text[];
    come text[];
    members text[];
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended('drover drivers ' || current_schema() || ' ' || kind || ':' || container, 0));
    IF kind = 'order' THEN
        WITH released AS (
            UPDATE driver_assignments a SET released_at = greatest(clock_timestamp(), a.assigned_at)
            WHERE a.order_id = container AND a.released_at IS NULL AND CASE WHEN removed IS NULL
                THEN NOT EXISTS (SELECT FROM unnest(added) d WHERE d = a.driver_id)
                ELSE EXISTS (SELECT FROM unnest(removed) d WHERE d = a.driver_id) END
            RETURNING a.driver_id)
        SELECT array_agg(driver_id ORDER BY driver_id) INTO gone FROM released;
        WITH assigned AS (
            INSERT INTO driver_assignments (order_id, driver_id, assigned_by)
            SELECT container, d, actor FROM unnest(added) d
            ON CONFLICT (order_id, driver_id) WHERE released_at IS NULL DO NOTHING RETURNING driver_id)
        SELECT array_agg(driver_id ORDER BY driver_id) INTO come FROM assigned;
        SELECT array_agg(driver_id ORDER BY driver_id) INTO members
        FROM driver_assignments WHERE order_id = container AND released_at IS NULL;
        -- Who comes first, so that an order that is handed over does not end.
        PERFORM count(*) FROM begin_turns((
            SELECT coalesce(jsonb_agg(jsonb_build_object('order_id', container, 'driver_id', d)), '[]')
            FROM unnest(come) d), 'assignment');
        PERFORM count(*) FROM end_turns((
            SELECT coalesce(jsonb_agg(jsonb_build_object('order_id', container, 'driver_id', d)), '[]')
            FROM unnest(gone) d), '{}');
    ELSIF kind = 'group' THEN
        WITH released AS (
            DELETE FROM driver_groups a WHERE a.group_id = container AND CASE WHEN removed IS NULL
                THEN NOT EXISTS (SELECT FROM unnest(added) d WHERE d = a.driver_id)
                ELSE EXISTS (SELECT FROM unnest(removed) d WHERE d = a.driver_id) END
            RETURNING a.driver_id)
        SELECT array_agg(driver_id ORDER BY driver_id) INTO gone FROM released;
        WITH assigned AS (
            INSERT INTO driver_groups (group_id, driver_id, added_by)
            SELECT container, d, actor FROM unnest(added) d
            ON CONFLICT (group_id, driver_id) DO NOTHING RETURNING driver_id)
        SELECT array_agg(driver_id ORDER BY driver_id) INTO come FROM assigned;
        SELECT array_agg(driver_id ORDER BY driver_id) INTO members FROM driver_groups WHERE group_id = container;
    ELSE
        RAISE EXCEPTION 'a driver can be in an order or a group, not in a %', kind;
    END IF;
    IF gone IS NOT NULL OR come IS NOT NULL THEN
        INSERT INTO api_audit_logs (actor, action, subject, detail, address)
        VALUES (actor, kind || '.assign', kind || ':' || container,
            jsonb_strip_nulls(jsonb_build_object('added', come, 'removed', gone)), address);
    END IF;
    RETURN coalesce(members, '{}');
END
$$;

-- One row where the history stands in another schema than this (history.schema): written by whoever moved it.
CREATE TABLE history_place (
    schema_name text NOT NULL,
    one_row     boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);
