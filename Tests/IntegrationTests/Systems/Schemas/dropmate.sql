-- DropMate (seed 001_7fb8e59727f29b08.txt): its tables as far as tracking and erasing touch them, from the seed's prose to
-- PostgreSQL. Ids are Prisma's: uuids kept as text. `driver_location_events`, `driver_location_hourly` and
-- `active_driver_locations` are not here: Drover makes them in this schema (history.schema: public), under these names.

CREATE TYPE user_role AS ENUM ('customer', 'driver', 'admin');
CREATE TYPE order_status AS ENUM ('draft', 'submitted', 'confirmed', 'fulfilled', 'cancelled');
CREATE TYPE payment_status AS ENUM ('pending', 'authorized', 'settled', 'failed', 'refunded');
CREATE TYPE assignment_status AS ENUM
    ('pending', 'accepted', 'en_route', 'arrived', 'delivered', 'handed_off', 'rejected');
CREATE TYPE route_stop_type AS ENUM ('pickup', 'dropoff', 'break');
CREATE TYPE message_channel AS ENUM ('web', 'app', 'wechat');

-- Accounts and identity.
CREATE TABLE users (
    id            text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    email         text,
    phone         text,
    password_hash text NOT NULL,
    role          user_role NOT NULL,
    status        text NOT NULL DEFAULT 'active',
    created_at    timestamptz(3) NOT NULL DEFAULT now(),
    deleted_at    timestamptz(3)
);
CREATE UNIQUE INDEX users_email_key ON users (email) WHERE deleted_at IS NULL;
CREATE INDEX users_role_status_idx ON users (role, status);

CREATE TABLE customers (
    id                text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    user_id           text UNIQUE REFERENCES users,
    name              text,
    marketing_opt_in  boolean NOT NULL DEFAULT false,
    wechat_account_id text,
    deleted_at        timestamptz(3)
);
-- Only owners and support see what is personal.
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY customers_owner ON customers USING (user_id = current_setting('app.user_id', true));

CREATE TABLE drivers (
    id                text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    user_id           text NOT NULL UNIQUE REFERENCES users,
    employment_status text NOT NULL DEFAULT 'active',
    compliance_flags  jsonb NOT NULL DEFAULT '{}',
    deleted_at        timestamptz(3)
);

CREATE TABLE driver_profiles (
    driver_id          text PRIMARY KEY REFERENCES drivers ON DELETE CASCADE,
    vehicle_preference text,
    license            jsonb,
    service_region     jsonb                                                            -- a GeoJSON polygon
);

CREATE TABLE auth_sessions (
    id                 text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    user_id            text NOT NULL REFERENCES users ON DELETE CASCADE,
    refresh_token_hash text NOT NULL UNIQUE,                                            -- SHA-256, hexadecimal
    device_info        jsonb NOT NULL DEFAULT '{}',
    created_at         timestamptz(3) NOT NULL DEFAULT now(),
    expires_at         timestamptz(3) NOT NULL,
    revoked_at         timestamptz(3)
);

CREATE TABLE driver_devices (
    id                text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    driver_id         text NOT NULL REFERENCES drivers ON DELETE CASCADE,
    platform          text NOT NULL,
    device_identifier text NOT NULL,
    push_token        text,
    UNIQUE (driver_id, platform, device_identifier)
);

CREATE TABLE driver_sessions (
    id                          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    driver_id                   text NOT NULL REFERENCES drivers ON DELETE CASCADE,
    device_id                   text REFERENCES driver_devices ON DELETE SET NULL,
    auth_session_id             text REFERENCES auth_sessions ON DELETE SET NULL,
    last_seen                   timestamptz(3) NOT NULL,
    app_version                 text,
    background_location_enabled boolean NOT NULL DEFAULT true
);
CREATE INDEX driver_sessions_driver_id_last_seen_idx ON driver_sessions (driver_id, last_seen DESC);

-- Commerce.
CREATE TABLE delivery_addresses (
    id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    customer_id text REFERENCES customers,
    line1       text,
    city        text,
    lat         double precision,
    lng         double precision
);

CREATE TABLE orders (
    id                  text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    customer_id         text REFERENCES customers,                                      -- null: a guest
    contact             jsonb,
    delivery_address_id text REFERENCES delivery_addresses,
    status              order_status NOT NULL DEFAULT 'draft',
    source_channel      message_channel NOT NULL DEFAULT 'app',
    created_at          timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer_id_created_at_idx ON orders (customer_id, created_at DESC);
CREATE INDEX orders_status_created_at_idx ON orders (status, created_at DESC);

CREATE TABLE payments (
    id       text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    order_id text NOT NULL UNIQUE REFERENCES orders ON DELETE RESTRICT,
    amount   numeric(12, 2) NOT NULL CHECK (amount >= 0),
    state    payment_status NOT NULL DEFAULT 'pending'
);

-- Fulfilment. The snapshot is what `current_driver_location_id` leads to: one row a driver, materialised for analytics.
CREATE TABLE driver_location_snapshots (
    id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    driver_id   text NOT NULL UNIQUE REFERENCES drivers ON DELETE CASCADE,
    lat         double precision NOT NULL,
    lng         double precision NOT NULL,
    speed       real,
    accuracy    real,
    recorded_at timestamptz(3) NOT NULL
);

CREATE TABLE delivery_runs (
    id   text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    name text NOT NULL
);

CREATE TABLE shipments (
    id                         text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    order_id                   text NOT NULL UNIQUE REFERENCES orders,
    delivery_run_id            text REFERENCES delivery_runs,
    status                     text NOT NULL DEFAULT 'open',
    promised_arrival_at        timestamptz(3),
    courier_notes              text,
    current_driver_location_id text REFERENCES driver_location_snapshots ON DELETE SET NULL
);
CREATE INDEX shipments_status_promised_arrival_at_idx ON shipments (status, promised_arrival_at);
CREATE INDEX shipments_current_driver_location_id_idx ON shipments (current_driver_location_id);

CREATE TABLE driver_assignments (
    id                text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    shipment_id       text NOT NULL UNIQUE REFERENCES shipments,
    driver_id         text REFERENCES drivers ON DELETE SET NULL,
    status            assignment_status NOT NULL DEFAULT 'pending',
    accepted_at       timestamptz(3),
    schedule_sequence integer
);
CREATE INDEX driver_assignments_driver_id_status_idx ON driver_assignments (driver_id, status)
    WHERE status IN ('accepted', 'en_route', 'arrived');

CREATE TABLE route_stops (
    id               text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    shipment_id      text NOT NULL REFERENCES shipments ON DELETE CASCADE,
    stop_type        route_stop_type NOT NULL,
    position         integer NOT NULL,
    expected_arrival timestamptz(3)
);

CREATE TABLE shipment_events (
    id          text NOT NULL DEFAULT gen_random_uuid()::text,
    shipment_id text NOT NULL REFERENCES shipments,
    driver_id   text,
    event_type  text NOT NULL,
    occurred_at timestamptz(3) NOT NULL,
    lat         double precision,                                                       -- where the driver was then
    lng         double precision,
    payload     jsonb NOT NULL DEFAULT '{}',                                            -- the difference, for audit
    PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);

-- Messaging and engagement.
CREATE TABLE message_threads (
    id           text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    context_type text NOT NULL,
    context_id   text NOT NULL,
    channel      message_channel NOT NULL,
    deleted_at   timestamptz(3)
);
CREATE INDEX message_threads_context_idx ON message_threads (context_type, context_id);

CREATE TABLE messages (
    id             text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    thread_id      text NOT NULL REFERENCES message_threads,
    author_user_id text REFERENCES users,
    body           text NOT NULL,
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    deleted_at     timestamptz(3)
);
CREATE INDEX messages_thread_id_created_at_idx ON messages (thread_id, created_at);

CREATE TABLE tracking_sessions (
    id            text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    customer_id   text REFERENCES customers,
    order_id      text NOT NULL REFERENCES orders,
    session_token text NOT NULL,
    expires_at    timestamptz(3) NOT NULL,
    UNIQUE (order_id, session_token)
);

-- Operations.
CREATE TABLE api_audit_logs (
    id         text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    table_name text NOT NULL,
    row_id     text NOT NULL,
    changed    jsonb NOT NULL,
    at         timestamptz(3) NOT NULL DEFAULT now()
);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO api_audit_logs (table_name, row_id, changed)
    SELECT TG_TABLE_NAME, NEW.id, jsonb_object_agg(n.key, n.value)
    FROM jsonb_each(to_jsonb(NEW)) n JOIN jsonb_each(to_jsonb(OLD)) o USING (key)
    WHERE n.value IS DISTINCT FROM o.value AND n.key NOT IN ('contact', 'license')
    HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER audit AFTER UPDATE ON shipments FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER audit AFTER UPDATE ON drivers FOR EACH ROW EXECUTE FUNCTION audit();
