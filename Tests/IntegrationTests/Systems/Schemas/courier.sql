-- A courier's tables, made up for tests of credentials, look-ups and trails.

CREATE TABLE logins (
    who text, token_hash text PRIMARY KEY, kind text, van text, may text[], scope text, ends_at timestamptz,
    is_active boolean DEFAULT true);
CREATE TABLE vans (van text PRIMARY KEY, depot text NOT NULL, is_sold boolean NOT NULL DEFAULT false);
INSERT INTO vans VALUES
    ('van-1', 'east', false), ('van-2', 'east', false), ('van-3', 'west', false), ('van-sold', 'west', true);
CREATE TABLE parcels (
    parcel text PRIMARY KEY, customer text, van text REFERENCES vans, is_open boolean NOT NULL DEFAULT true);
INSERT INTO parcels SELECT 'p' || n, 'customer-' || n, 'van-' || 1 + n % 3 FROM generate_series(1, 300) n;
CREATE TABLE trail (
    event_id uuid PRIMARY KEY, who text NOT NULL CHECK (who <> 'mallory'), what text NOT NULL, kind text NOT NULL,
    id text NOT NULL, action text NOT NULL, at timestamptz NOT NULL, vans text[] NOT NULL);
