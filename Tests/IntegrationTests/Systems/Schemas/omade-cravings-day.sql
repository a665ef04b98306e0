-- A day at Omade Cravings: forty customers, four riders on twelve slots of today, 240 orders in every status, and the
-- people of the story: Ana (41) and Ben (42), who order, and the riders 101 and 102.

INSERT INTO users (id, name, email, password_hash, role, phone)
SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'Customer ' || n, 'customer' || n || '@example.com',
    '$2b$12$hash' || n, 'customer', '+1416555' || lpad(n::text, 4, '0')
FROM generate_series(1, 42) n;

INSERT INTO users (id, name, email, password_hash, role)
SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'Rider ' || n, 'rider' || n || '@omadecravings.com',
    '$2b$12$hash' || n, 'rider'
FROM generate_series(101, 104) n;

INSERT INTO users (id, name, email, password_hash, role) VALUES
    ('00000000-0000-0000-0000-000000000201', 'Staff', 'staff@omadecravings.com', '$2b$12$hash201', 'staff'),
    ('00000000-0000-0000-0000-000000000301', 'Admin', 'admin@omadecravings.com', '$2b$12$hash301', 'admin');

INSERT INTO products (id, name, description, price, category, stock, is_customizable) VALUES
    ('10000000-0000-0000-0000-000000000001', 'Chocolate Cake', 'Rich chocolate cake with ganache', 25.99, 'cakes', 20, true),
    ('10000000-0000-0000-0000-000000000002', 'Vanilla Cupcakes', 'Classic vanilla cupcakes (6 pack)', 12.99, 'cupcakes', 50, false);

INSERT INTO delivery_schedules (id, delivery_date, delivery_time, rider_id, status)
SELECT ('20000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, current_date, (7 + n) || ':00-' || (8 + n) || ':00',
    ('00000000-0000-0000-0000-' || lpad((101 + n % 4)::text, 12, '0'))::uuid, 'assigned'
FROM generate_series(1, 12) n;

INSERT INTO orders (id, user_id, total_amount, status, payment_status, delivery_schedule_id)
SELECT ('30000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
    ('00000000-0000-0000-0000-' || lpad((1 + n % 40)::text, 12, '0'))::uuid, 0,
    (ARRAY['pending', 'confirmed', 'preparing', 'dispatched', 'delivered', 'cancelled', 'refunded'])[1 + n % 7], 'paid',
    ('20000000-0000-0000-0000-' || lpad((1 + n % 12)::text, 12, '0'))::uuid
FROM generate_series(1, 240) n;

INSERT INTO order_items (order_id, product_id, quantity, unit_price, subtotal)
SELECT id, '10000000-0000-0000-0000-000000000001', 1, 25.99, 25.99 FROM orders;

-- The story's slots and orders.
INSERT INTO delivery_schedules (id, delivery_date, delivery_time, rider_id, status) VALUES
    ('20000000-0000-0000-0000-000000000041', current_date, '14:00-15:00', '00000000-0000-0000-0000-000000000101', 'assigned'),
    ('20000000-0000-0000-0000-000000000042', current_date, '14:00-15:00', '00000000-0000-0000-0000-000000000102', 'assigned');

INSERT INTO orders (id, user_id, total_amount, status, payment_status, delivery_schedule_id) VALUES
    ('30000000-0000-0000-0000-000000000411', '00000000-0000-0000-0000-000000000041', 25.99, 'dispatched', 'paid',
        '20000000-0000-0000-0000-000000000041'),
    ('30000000-0000-0000-0000-000000000412', '00000000-0000-0000-0000-000000000041', 12.99, 'preparing', 'paid',
        '20000000-0000-0000-0000-000000000041'),
    ('30000000-0000-0000-0000-000000000421', '00000000-0000-0000-0000-000000000042', 25.99, 'dispatched', 'paid',
        '20000000-0000-0000-0000-000000000042');
