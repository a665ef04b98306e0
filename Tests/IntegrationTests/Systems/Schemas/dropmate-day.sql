-- A day of DropMate's rows: twenty drivers with their app's sessions, forty customers with an order each, addresses around
-- Toronto's centre. Shipment n of the first twenty is driver n's. Token of a driver: `refresh-token-n`; of a customer's live view:
-- `view-token-n`.

SELECT set_config('day.month', to_char(date_trunc('month', now() AT TIME ZONE 'UTC'), 'YYYY-MM-DD'), false);
DO $$
DECLARE
    month timestamptz;
BEGIN
    FOR step IN -1..1 LOOP
        month := (current_setting('day.month')::date + step * interval '1 month') AT TIME ZONE 'UTC';
        EXECUTE format(
            'CREATE TABLE shipment_events_%s PARTITION OF shipment_events FOR VALUES FROM (%L) TO (%L)',
            to_char(month AT TIME ZONE 'UTC', 'YYYYMM'), month,
            (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
END $$;

INSERT INTO users (id, email, phone, password_hash, role)
SELECT 'user-driver-' || n, 'driver' || n || '@dropmate.example', '+1416555' || lpad(n::text, 4, '0'), 'x', 'driver'::user_role
FROM generate_series(1, 20) n
UNION ALL
SELECT 'user-customer-' || n, 'customer' || n || '@example.com', '+1647555' || lpad(n::text, 4, '0'), 'x', 'customer'
FROM generate_series(1, 40) n
UNION ALL
SELECT 'user-admin', 'admin@dropmate.example', NULL, 'x', 'admin';

INSERT INTO drivers (id, user_id) SELECT 'driver-' || n, 'user-driver-' || n FROM generate_series(1, 20) n;
INSERT INTO driver_profiles (driver_id, vehicle_preference, license)
SELECT 'driver-' || n, 'van', jsonb_build_object('number', 'L-' || n) FROM generate_series(1, 20) n;
INSERT INTO customers (id, user_id, name)
SELECT 'customer-' || n, 'user-customer-' || n, 'Customer ' || n FROM generate_series(1, 40) n;

INSERT INTO auth_sessions (id, user_id, refresh_token_hash, expires_at)
SELECT 'auth-' || n, 'user-driver-' || n, encode(sha256(convert_to('refresh-token-' || n, 'UTF8')), 'hex'),
    now() + interval '1 day'
FROM generate_series(1, 20) n
UNION ALL
SELECT 'auth-admin', 'user-admin', encode(sha256('refresh-token-admin'), 'hex'), now() + interval '1 day'
UNION ALL
SELECT 'auth-customer', 'user-customer-1', encode(sha256('refresh-token-customer'), 'hex'), now() + interval '1 day';
INSERT INTO driver_devices (id, driver_id, platform, device_identifier, push_token)
SELECT 'device-' || n, 'driver-' || n, 'ios', 'iphone-' || n, 'push-' || n FROM generate_series(1, 20) n;
INSERT INTO driver_sessions (id, driver_id, device_id, auth_session_id, last_seen, app_version)
SELECT 'session-' || n, 'driver-' || n, 'device-' || n, 'auth-' || n, now() - interval '6 hours', '2.0.0'
FROM generate_series(1, 20) n;

INSERT INTO delivery_addresses (id, customer_id, line1, city, lat, lng)
SELECT 'address-' || n, 'customer-' || n, n || ' Queen St W', 'Toronto', 43.65 + n * 0.001, -79.38 - n * 0.001
FROM generate_series(1, 40) n;
INSERT INTO orders (id, customer_id, contact, delivery_address_id, status)
SELECT 'order-' || n, 'customer-' || n, jsonb_build_object('name', 'Customer ' || n), 'address-' || n, 'confirmed'
FROM generate_series(1, 40) n;
INSERT INTO payments (order_id, amount, state) SELECT 'order-' || n, 9.99 + n, 'settled' FROM generate_series(1, 40) n;
INSERT INTO delivery_runs (id, name) VALUES ('run-west', 'West'), ('run-east', 'East');
INSERT INTO shipments (id, order_id, delivery_run_id, promised_arrival_at)
SELECT 'shipment-' || n, 'order-' || n, CASE WHEN n <= 10 THEN 'run-west' ELSE 'run-east' END, now() + interval '1 hour'
FROM generate_series(1, 40) n;
INSERT INTO route_stops (shipment_id, stop_type, position)
SELECT 'shipment-' || n, 'dropoff', 1 FROM generate_series(1, 40) n;
INSERT INTO driver_assignments (id, shipment_id, driver_id, status, accepted_at, schedule_sequence)
SELECT 'assignment-' || n, 'shipment-' || n, 'driver-' || n, 'accepted', now() - interval '10 minutes', 1
FROM generate_series(1, 20) n;

INSERT INTO message_threads (id, context_type, context_id, channel)
SELECT 'thread-' || n, 'order', 'order-' || n, 'app' FROM generate_series(1, 40) n;
INSERT INTO messages (thread_id, author_user_id, body)
SELECT 'thread-' || n, 'user-customer-' || n, 'The buzzer is broken, call me' FROM generate_series(1, 40) n;
INSERT INTO tracking_sessions (id, customer_id, order_id, session_token, expires_at)
SELECT 'tracking-' || n, 'customer-' || n, 'order-' || n, 'view-token-' || n, now() + interval '2 hours'
FROM generate_series(1, 40) n;
