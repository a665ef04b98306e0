-- Who may watch, who carries what, and who changed it.

-- Tracking sessions: a viewer's permission to watch some subjects until it ends. Only the hash of a token is kept.
CREATE TABLE tracking_sessions (
    id           text PRIMARY KEY,
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    subjects     text[] NOT NULL CHECK (cardinality(subjects) > 0),
    customer_id  text,                                                                  -- the platform's own label
    precision_m  integer NOT NULL DEFAULT 0 CHECK (precision_m BETWEEN 0 AND 100000),   -- metres, 0 is as it is
    created_by   text NOT NULL,                                                         -- a credential's id
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE INDEX tracking_sessions_newest ON tracking_sessions (created_at, id);
CREATE INDEX tracking_sessions_customer ON tracking_sessions (customer_id, created_at, id) WHERE customer_id IS NOT NULL;

-- Who carries an order, and who did: a row is one driver's turn. The current ones have no released_at.
CREATE TABLE driver_assignments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    text NOT NULL,
    driver_id   text NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    assigned_by text NOT NULL,                                                          -- a credential's id
    CHECK (released_at >= assigned_at)
);
CREATE UNIQUE INDEX driver_assignments_current ON driver_assignments (order_id, driver_id) WHERE released_at IS NULL;
CREATE INDEX driver_assignments_driver ON driver_assignments (driver_id) WHERE released_at IS NULL;

-- Who belongs to a group: a route, a warehouse, a region.
CREATE TABLE driver_groups (
    group_id  text NOT NULL,
    driver_id text NOT NULL,
    added_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    added_by  text NOT NULL,                                                            -- a credential's id
    PRIMARY KEY (group_id, driver_id)
);
CREATE INDEX driver_groups_driver ON driver_groups (driver_id);

-- Who created, revoked or assigned what. Neither positions nor secrets are in it. Every change is written together with
-- its row here, in one statement.
CREATE TABLE api_audit_logs (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text NOT NULL,                                                              -- a credential's id, or cli
    action  text NOT NULL,                                                              -- such as order.assign
    subject text NOT NULL,                                                              -- such as order:9f2
    detail  jsonb NOT NULL DEFAULT '{}',
    address text                                                                        -- null for the command line
);
CREATE INDEX api_audit_logs_at ON api_audit_logs (at);
CREATE INDEX api_audit_logs_subject ON api_audit_logs (subject, at);

-- Changes who carries an order or belongs to a group and returns who does now, sorted. `removed` names who leaves; null is
-- everybody who is not in `added`. Two callers with one subject, on any gateway, take turns: under READ COMMITTED each
-- statement behind the lock sees what the other has committed. A call that changes nothing writes nothing.
CREATE FUNCTION change_drivers(
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
