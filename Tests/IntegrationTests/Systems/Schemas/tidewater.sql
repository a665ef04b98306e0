-- Tidewater Boats, a platform that nobody has: water taxis with tables, words and units of their own. It stands for whoever
-- brings Drover a sixth data model; nothing in the program was written for it.

CREATE TABLE skippers (
    number    integer PRIMARY KEY,
    login_key text NOT NULL UNIQUE,
    dismissed boolean NOT NULL DEFAULT false
);

CREATE TABLE boats (
    number       integer PRIMARY KEY,
    name         text NOT NULL,
    skipper      integer REFERENCES skippers (number),
    last_fix     timestamptz,
    last_point   point,                                                                 -- longitude, latitude
    last_knots   numeric(6, 2)
);

CREATE TABLE watches (
    boat    integer NOT NULL REFERENCES boats (number),
    ashore  tstzrange NOT NULL                                                          -- when the boat is in service
);

CREATE TABLE passengers (
    number integer PRIMARY KEY,
    name   text NOT NULL
);

CREATE TABLE passes (
    pass        text PRIMARY KEY,
    passenger   integer NOT NULL REFERENCES passengers (number),
    valid_until timestamptz NOT NULL
);

CREATE TABLE bookings (
    code      text PRIMARY KEY,
    passenger integer NOT NULL REFERENCES passengers (number),
    pier      text NOT NULL,
    boat      integer REFERENCES boats (number),
    state     text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'afloat', 'landed'))
);

CREATE TABLE glances (
    passenger integer NOT NULL,
    booking   text NOT NULL,
    what      text NOT NULL,
    at        timestamptz NOT NULL
);

-- A day of it: twelve boats in service for fifty hours around now, sixty passengers with a booking each.
INSERT INTO skippers SELECT n, 'skipper-key-' || n FROM generate_series(1, 12) n;
INSERT INTO boats SELECT n, 'Boat ' || n, n FROM generate_series(1, 12) n;
INSERT INTO watches SELECT n, tstzrange(now() - interval '1 day', now() + interval '26 hours') FROM generate_series(1, 10) n;
INSERT INTO passengers SELECT n, 'Passenger ' || n FROM generate_series(1, 60) n;
INSERT INTO passes SELECT 'pass ' || n || ' of/Tidewater', n, now() + interval '1 day' FROM generate_series(1, 60) n;
INSERT INTO bookings
    SELECT 'TW-' || n, n, 'pier-' || n % 4, 1 + n % 12, CASE WHEN n % 3 = 0 THEN 'landed' ELSE 'afloat' END
    FROM generate_series(1, 60) n;
