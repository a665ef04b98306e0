-- A day on DropDeck: three hundred people, what they ordered since this morning, and the five deliveries of the test's story.
INSERT INTO users (id, email, name)
SELECT 'user-' || n, 'user' || n || '@example.com', 'User ' || n FROM generate_series(1, 300) n;

INSERT INTO sessions (session_token, user_id, expires)
SELECT 'day-' || md5('session ' || n), 'user-' || n, now() AT TIME ZONE 'UTC' + interval '30 days'
FROM generate_series(1, 300) n;

INSERT INTO platform_connections (id, user_id, platform, status, last_sync_at)
SELECT gen_random_uuid()::text, 'user-' || n,
    (enum_range(NULL::platform))[1 + n % 11], 'connected', now() AT TIME ZONE 'UTC' - n * interval '1 second'
FROM generate_series(1, 300) n;

-- A UnifiedDelivery, as far as it matters.
CREATE FUNCTION unified(id text, platform text, their_id text, status text, lat float8, lng float8) RETURNS jsonb
LANGUAGE sql AS $$
SELECT jsonb_build_object(
    'id', id, 'platform', platform, 'externalOrderId', their_id, 'status', status, 'statusLabel', initcap(status),
    'statusUpdatedAt', now(),
    'destination', jsonb_build_object('address', '1 Queen St W', 'lat', lat, 'lng', lng),
    'eta', jsonb_build_object('minutesRemaining', 20, 'confidence', 'medium'),
    'order', jsonb_build_object('itemCount', 3),
    'tracking', jsonb_build_object('mapAvailable', true, 'liveUpdates', true, 'contactDriverAvailable', false),
    'timestamps', jsonb_build_object('ordered', now() - interval '40 minutes'),
    'meta', jsonb_build_object('fetchMethod', 'webhook', 'adapterId', platform))
$$;

INSERT INTO delivery_history (id, user_id, platform, external_order_id, delivery_data, final_status, ordered_at, delivered_at)
SELECT gen_random_uuid()::text, 'user-' || 1 + n % 300, p, 'done-' || n, unified('h-' || n, p::text, 'done-' || n,
    'delivered', 43.6 + n % 50 / 1000.0, -79.4 + n % 70 / 1000.0), 'delivered',
    now() AT TIME ZONE 'UTC' - n * interval '1 minute' - interval '1 hour', now() AT TIME ZONE 'UTC' - n * interval '1 minute'
FROM generate_series(1, 900) n, LATERAL (SELECT (enum_range(NULL::platform))[1 + n % 11] AS p) AS which;

INSERT INTO delivery_cache (id, user_id, platform, external_order_id, delivery_data, eta_minutes, status, expires_at)
SELECT 'day-' || n, 'user-' || 1 + n % 300, p, 'open-' || n,
    unified('day-' || n, p::text, 'open-' || n, s::text, 43.6 + n % 50 / 1000.0, -79.4 + n % 70 / 1000.0), n % 60, s,
    now() AT TIME ZONE 'UTC' + (n % 10 - 2) * interval '1 minute'
FROM generate_series(1, 400) n, LATERAL (
    SELECT (enum_range(NULL::platform))[1 + n % 11] AS p, (enum_range(NULL::delivery_status))[1 + n % 10] AS s) AS which;

-- The story: Ann waits for three deliveries, Bob for one; one of Ann's is still in the kitchen.
INSERT INTO users (id, email, name) VALUES
    ('ann', 'ann@example.com', 'Ann'), ('bob', 'bob@example.com', 'Bob');
INSERT INTO sessions (session_token, user_id, expires) VALUES
    ('ann-session-3c1f', 'ann', now() AT TIME ZONE 'UTC' + interval '30 days'),
    ('ann-other-9d21', 'ann', now() AT TIME ZONE 'UTC' + interval '30 days'),
    ('bob-session-77aa', 'bob', now() AT TIME ZONE 'UTC' + interval '30 days');
INSERT INTO delivery_cache (id, user_id, platform, external_order_id, delivery_data, eta_minutes, status, expires_at)
SELECT id, who, p::platform, theirs, unified(id, p, theirs, s, 43.65, -79.38), 20, s::delivery_status,
    now() AT TIME ZONE 'UTC' + interval '5 minutes'
FROM (VALUES
    ('pizza', 'ann', 'doordash', 'DD-1001', 'out_for_delivery'), ('books', 'ann', 'amazon', 'AZ-55', 'out_for_delivery'),
    ('soup', 'ann', 'ubereats', 'UE-7', 'preparing'), ('wine', 'bob', 'drizly', 'DZ-3', 'out_for_delivery'))
    AS story(id, who, p, theirs, s);
