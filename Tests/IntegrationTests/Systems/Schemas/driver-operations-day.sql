-- A day of the Driver Operations Platform: 4 warehouses with a route and a manager each, 60 drivers. Of today's 40
-- assignments (Toronto's today) 20 are at work, 10 are done, 5 have not begun, 5 were given back; yesterday's are all done.
-- The people of the story: managers …901 (warehouse 1, and 2 together with …902) and …902; driver …001, who has not begun,
-- …011, who is at work, and …060, who has no assignment at all.

CREATE FUNCTION id(kind integer, number integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(kind::text, 8, '0') || '-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid $$;

INSERT INTO users (id, email, password_hash, first_name, last_name, phone, role)
SELECT id(1, n), 'driver' || n || '@example.com', '$2b$10$hash' || n, 'Driver', 'Number ' || n,
    '+1416555' || lpad(n::text, 4, '0'), 'driver'
FROM generate_series(1, 60) n;
INSERT INTO users (id, email, password_hash, first_name, last_name, phone, role)
SELECT id(1, n), 'manager' || n || '@example.com', '$2b$10$hash' || n, 'Manager', 'Number ' || n,
    '+1416555' || lpad(n::text, 4, '0'), 'manager'
FROM generate_series(901, 904) n;

INSERT INTO warehouses (id, name, address, created_by)
SELECT id(2, n), 'Warehouse ' || n, n || '00 Commissioners Street, Toronto', id(1, 900 + n) FROM generate_series(1, 4) n;
INSERT INTO routes (id, name, warehouse_id, manager_id, created_by)
SELECT id(3, n), 'Route ' || n, id(2, n), id(1, 900 + n), id(1, 900 + n) FROM generate_series(1, 4) n;
INSERT INTO warehouse_managers (warehouse_id, user_id) SELECT id(2, n), id(1, 900 + n) FROM generate_series(1, 4) n;
INSERT INTO warehouse_managers (warehouse_id, user_id) VALUES (id(2, 2), id(1, 901));

-- Driver n carries a route of warehouse 1 + n % 4: drivers 1 to 10 have not begun or gave it back, 11 to 30 are at work,
-- 31 to 40 are done.
INSERT INTO assignments (id, route_id, user_id, warehouse_id, date, status, assigned_by, assigned_at, confirmed_at)
SELECT id(4, n), id(3, 1 + n % 4), id(1, n), id(2, 1 + n % 4), (now() AT TIME ZONE 'America/Toronto')::date,
    (CASE WHEN n <= 5 THEN 'scheduled' WHEN n <= 10 THEN 'cancelled' WHEN n <= 30 THEN 'active' ELSE 'completed' END)
        ::assignment_status,
    'algorithm', now() - interval '5 days', now() - interval '2 days'
FROM generate_series(1, 40) n;
INSERT INTO assignments (id, route_id, user_id, warehouse_id, date, status)
SELECT id(4, n), id(3, 1 + n % 4), NULL, id(2, 1 + n % 4), (now() AT TIME ZONE 'America/Toronto')::date, 'unfilled'
FROM generate_series(41, 44) n;
INSERT INTO shifts (assignment_id, arrived_at, parcels_start, started_at, completed_at)
SELECT id(4, n), now() - interval '130 minutes', 80 + n, now() - interval '2 hours',
    CASE WHEN n > 30 THEN now() - interval '10 minutes' END
FROM generate_series(11, 40) n;
INSERT INTO shifts (assignment_id, cancelled_at, cancel_reason)
SELECT id(4, n), now() - interval '1 hour', 'weather_conditions' FROM generate_series(6, 10) n;

-- Yesterday.
INSERT INTO assignments (id, route_id, user_id, warehouse_id, date, status, assigned_by)
SELECT id(4, 100 + n), id(3, 1 + n % 4), id(1, n), id(2, 1 + n % 4),
    (now() AT TIME ZONE 'America/Toronto')::date - 1, 'completed', 'bid'
FROM generate_series(1, 40) n;
INSERT INTO shifts (assignment_id, arrived_at, parcels_start, parcels_delivered, parcels_returned, started_at, completed_at)
SELECT id(4, 100 + n), now() - interval '30 hours', 90, 88, 2, now() - interval '29 hours', now() - interval '22 hours'
FROM generate_series(1, 40) n;
