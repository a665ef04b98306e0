-- A made-up platform's tables for the tests of what Drover writes into them.
CREATE TABLE vans (
    van text PRIMARY KEY CHECK (van <> 'van-bad'), lat float8, lng float8, kmh float8, at timestamptz,
    writes integer NOT NULL DEFAULT 1);
CREATE TABLE phones (
    van text, phone text, app text, since timestamptz, seen timestamptz, online boolean, PRIMARY KEY (van, phone));
CREATE TABLE parcels (parcel text PRIMARY KEY, status text NOT NULL);
CREATE TABLE parcel_log (parcel text, status text, PRIMARY KEY (parcel, status));
