-- What phone apps need beside a token, and where orders go of platforms that say so to Drover.

-- The passphrase that a device's OwnTracks encrypts with; null where it does not. It is a shared secret, which the gateway
-- must know as it is: 1 to 32 bytes, the key of libsodium's secretbox.
ALTER TABLE driver_devices
    ADD COLUMN encryption_key text CHECK (octet_length(encryption_key) BETWEEN 1 AND 32);

-- Where an order goes.
CREATE TABLE order_destinations (
    order_id   text PRIMARY KEY,
    lat        double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),                -- degrees WGS84
    lng        double precision NOT NULL CHECK (lng BETWEEN -180 AND 180),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL                                                            -- a credential's id
);
