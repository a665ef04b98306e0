-- DropDeck's tables, translated from the Drizzle schema of seed 000 (lib/db/schema.ts) as Drizzle Kit writes them: ids are
-- texts that the application makes ($defaultFn), timestamps have no zone and hold UTC.
CREATE TYPE platform AS ENUM (
    'instacart', 'doordash', 'ubereats', 'amazon_fresh', 'walmart', 'shipt', 'drizly', 'totalwine', 'costco', 'samsclub',
    'amazon');
CREATE TYPE connection_status AS ENUM ('connected', 'expired', 'error', 'disconnected');
CREATE TYPE delivery_status AS ENUM (
    'preparing', 'ready_for_pickup', 'driver_assigned', 'driver_heading_to_store', 'driver_at_store', 'out_for_delivery',
    'arriving', 'delivered', 'cancelled', 'delayed');
CREATE TYPE theme AS ENUM ('light', 'dark', 'system');
CREATE TYPE sort_order AS ENUM ('eta', 'alphabetical', 'recent', 'manual');

CREATE TABLE users (
    id             text PRIMARY KEY,
    email          text NOT NULL,
    email_verified timestamp,
    name           text,
    image          text,
    created_at     timestamp NOT NULL DEFAULT now(),
    updated_at     timestamp NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email_idx ON users (email);

CREATE TABLE accounts (
    id                  text PRIMARY KEY,
    user_id             text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type                text NOT NULL,
    provider            text NOT NULL,
    provider_account_id text NOT NULL,
    refresh_token       text,
    access_token        text,
    expires_at          integer,
    token_type          text,
    scope               text,
    id_token            text,
    session_state       text
);
CREATE UNIQUE INDEX accounts_provider_idx ON accounts (provider, provider_account_id);

CREATE TABLE sessions (
    session_token text PRIMARY KEY,
    user_id       text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires       timestamp NOT NULL
);

CREATE TABLE verification_tokens (
    identifier text NOT NULL,
    token      text NOT NULL,
    expires    timestamp NOT NULL,
    PRIMARY KEY (identifier, token)
);

CREATE TABLE platform_connections (
    id                      text PRIMARY KEY,
    user_id                 text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    platform                platform NOT NULL,
    access_token_encrypted  jsonb,
    refresh_token_encrypted jsonb,
    session_data_encrypted  jsonb,
    expires_at              timestamp,
    last_sync_at            timestamp,
    status                  connection_status NOT NULL DEFAULT 'connected',
    metadata                jsonb,
    created_at              timestamp NOT NULL DEFAULT now(),
    updated_at              timestamp NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX connections_user_platform_idx ON platform_connections (user_id, platform);
CREATE INDEX connections_status_idx ON platform_connections (status);

CREATE TABLE user_preferences (
    user_id               text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    theme                 theme NOT NULL DEFAULT 'system',
    sort_order            sort_order NOT NULL DEFAULT 'eta',
    enabled_platforms     jsonb NOT NULL DEFAULT '[]',
    manual_platform_order jsonb,
    notifications_enabled boolean NOT NULL DEFAULT true,
    notification_settings jsonb,
    updated_at            timestamp NOT NULL DEFAULT now()
);

CREATE TABLE delivery_cache (
    id                text PRIMARY KEY,
    user_id           text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    platform          platform NOT NULL,
    external_order_id text,
    delivery_data     jsonb NOT NULL,
    driver_location   jsonb,
    eta_minutes       integer,
    status            delivery_status NOT NULL,
    last_updated      timestamp NOT NULL DEFAULT now(),
    expires_at        timestamp
);
CREATE INDEX cache_user_platform_idx ON delivery_cache (user_id, platform);
CREATE INDEX cache_expires_idx ON delivery_cache (expires_at);
CREATE INDEX cache_status_idx ON delivery_cache (status);

CREATE TABLE delivery_history (
    id                text PRIMARY KEY,
    user_id           text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    platform          platform NOT NULL,
    external_order_id text,
    delivery_data     jsonb NOT NULL,
    final_status      delivery_status NOT NULL,
    ordered_at        timestamp NOT NULL,
    delivered_at      timestamp,
    timeline          jsonb,
    created_at        timestamp NOT NULL DEFAULT now()
);
CREATE INDEX history_user_platform_idx ON delivery_history (user_id, platform);
CREATE INDEX history_ordered_at_idx ON delivery_history (ordered_at);
