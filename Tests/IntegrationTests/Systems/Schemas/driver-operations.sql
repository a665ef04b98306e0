-- Driver Operations Platform: translated from the Drizzle schema of seed 002 (002_ccacd39ea0e75ad9.txt), with the statements
-- that drizzle-kit makes of it: names, types, defaults, keys and the indexes that the seed lists. Nothing is left out.

CREATE TYPE user_role AS ENUM ('driver', 'manager');
CREATE TYPE assignment_status AS ENUM ('scheduled', 'active', 'completed', 'cancelled', 'unfilled');
CREATE TYPE assigned_by AS ENUM ('algorithm', 'manager', 'bid');
CREATE TYPE bid_status AS ENUM ('pending', 'won', 'lost');
CREATE TYPE bid_window_status AS ENUM ('open', 'closed', 'resolved');
CREATE TYPE cancel_reason AS ENUM (
    'vehicle_breakdown', 'medical_emergency', 'family_emergency', 'traffic_accident', 'weather_conditions',
    'personal_emergency', 'other');
CREATE TYPE bid_window_mode AS ENUM ('competitive', 'instant', 'emergency');
CREATE TYPE notification_type AS ENUM (
    'shift_reminder', 'bid_open', 'bid_won', 'bid_lost', 'shift_cancelled', 'warning', 'manual', 'schedule_locked',
    'assignment_confirmed', 'route_unfilled', 'route_cancelled', 'driver_no_show', 'confirmation_reminder',
    'shift_auto_dropped', 'emergency_route_available', 'streak_advanced', 'streak_reset', 'bonus_eligible',
    'corrective_warning');
CREATE TYPE actor_type AS ENUM ('user', 'system');

CREATE TABLE users (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email             text NOT NULL UNIQUE,
    password_hash     text NOT NULL,
    first_name        text NOT NULL,
    last_name         text NOT NULL,
    phone             text NOT NULL,
    role              user_role NOT NULL DEFAULT 'driver',
    weekly_cap        integer NOT NULL DEFAULT 4,
    is_flagged        boolean NOT NULL DEFAULT false,
    flag_warning_date timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE warehouses (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL,
    address    text NOT NULL,
    created_by uuid REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE routes (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name         text NOT NULL,
    warehouse_id uuid NOT NULL REFERENCES warehouses (id),
    manager_id   uuid REFERENCES users (id) ON DELETE SET NULL,
    created_by   uuid REFERENCES users (id),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE warehouse_managers (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    warehouse_id uuid NOT NULL REFERENCES warehouses (id) ON DELETE CASCADE,
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uniq_warehouse_user UNIQUE (warehouse_id, user_id)
);

CREATE TABLE driver_preferences (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id          uuid NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    preferred_days   integer[] NOT NULL DEFAULT '{}',
    preferred_routes uuid[] NOT NULL DEFAULT '{}',
    updated_at       timestamptz NOT NULL DEFAULT now(),
    locked_at        timestamptz
);

CREATE TABLE assignments (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    route_id     uuid NOT NULL REFERENCES routes (id),
    user_id      uuid REFERENCES users (id),
    warehouse_id uuid NOT NULL REFERENCES warehouses (id),
    date         date NOT NULL,
    status       assignment_status NOT NULL DEFAULT 'scheduled',
    assigned_by  assigned_by,
    assigned_at  timestamptz,
    confirmed_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shifts (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    assignment_id     uuid NOT NULL UNIQUE REFERENCES assignments (id) ON DELETE CASCADE,
    arrived_at        timestamptz,
    parcels_start     integer,
    parcels_delivered integer,
    parcels_returned  integer,
    started_at        timestamptz,
    completed_at      timestamptz,
    editable_until    timestamptz,
    cancelled_at      timestamptz,
    cancel_reason     cancel_reason,
    cancel_notes      text,
    created_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE bids (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    assignment_id    uuid NOT NULL REFERENCES assignments (id) ON DELETE CASCADE,
    user_id          uuid NOT NULL REFERENCES users (id),
    score            real,
    status           bid_status NOT NULL DEFAULT 'pending',
    bid_at           timestamptz NOT NULL DEFAULT now(),
    window_closes_at timestamptz NOT NULL,
    resolved_at      timestamptz
);

CREATE TABLE bid_windows (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    assignment_id     uuid NOT NULL REFERENCES assignments (id) ON DELETE CASCADE,
    mode              bid_window_mode NOT NULL DEFAULT 'competitive',
    trigger           text,
    pay_bonus_percent integer NOT NULL DEFAULT 0,
    opens_at          timestamptz NOT NULL DEFAULT now(),
    closes_at         timestamptz NOT NULL,
    status            bid_window_status NOT NULL DEFAULT 'open',
    winner_id         uuid REFERENCES users (id)
);

CREATE TABLE driver_metrics (
    user_id               uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    total_shifts          integer NOT NULL DEFAULT 0,
    completed_shifts      integer NOT NULL DEFAULT 0,
    attendance_rate       real NOT NULL DEFAULT 0,
    completion_rate       real NOT NULL DEFAULT 0,
    avg_parcels_delivered real NOT NULL DEFAULT 0,
    total_assigned        integer NOT NULL DEFAULT 0,
    confirmed_shifts      integer NOT NULL DEFAULT 0,
    auto_dropped_shifts   integer NOT NULL DEFAULT 0,
    late_cancellations    integer NOT NULL DEFAULT 0,
    no_shows              integer NOT NULL DEFAULT 0,
    bid_pickups           integer NOT NULL DEFAULT 0,
    updated_at            timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE route_completions (
    user_id           uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    route_id          uuid NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    completion_count  integer NOT NULL DEFAULT 0,
    last_completed_at timestamptz,
    PRIMARY KEY (user_id, route_id)
);

CREATE TABLE notifications (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type       notification_type NOT NULL,
    title      text NOT NULL,
    body       text NOT NULL,
    data       jsonb,
    read       boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_logs (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type text NOT NULL,
    entity_id   uuid NOT NULL,
    action      text NOT NULL,
    actor_id    uuid REFERENCES users (id),
    actor_type  actor_type NOT NULL,
    changes     jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE driver_health_snapshots (
    id                          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id                     uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    evaluated_at                date NOT NULL,
    score                       integer NOT NULL,
    attendance_rate             real NOT NULL,
    completion_rate             real NOT NULL,
    late_cancellation_count_30d integer NOT NULL DEFAULT 0,
    no_show_count_30d           integer NOT NULL DEFAULT 0,
    hard_stop_triggered         boolean NOT NULL DEFAULT false,
    reasons                     jsonb NOT NULL DEFAULT '[]',
    created_at                  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, evaluated_at)
);

CREATE TABLE driver_health_state (
    user_id                       uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    current_score                 integer NOT NULL DEFAULT 0,
    streak_weeks                  integer NOT NULL DEFAULT 0,
    stars                         integer NOT NULL DEFAULT 0,
    last_qualified_week_start     date,
    assignment_pool_eligible      boolean NOT NULL DEFAULT true,
    requires_manager_intervention boolean NOT NULL DEFAULT false,
    next_milestone_stars          integer NOT NULL DEFAULT 1,
    updated_at                    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_assignments_user_date ON assignments (user_id, date);
CREATE INDEX idx_assignments_status_date ON assignments (status, date);
CREATE INDEX idx_assignments_route_date ON assignments (route_id, date);
CREATE INDEX idx_bids_assignment_status ON bids (assignment_id, status);
CREATE INDEX idx_bid_windows_status_closes ON bid_windows (status, closes_at);
CREATE INDEX idx_notifications_user_read ON notifications (user_id, read, created_at DESC);
CREATE INDEX idx_route_completions_user ON route_completions (user_id);
CREATE INDEX idx_audit_logs_entity ON audit_logs (entity_type, entity_id, created_at DESC);
CREATE INDEX idx_routes_manager ON routes (manager_id);
CREATE INDEX idx_warehouse_managers_warehouse ON warehouse_managers (warehouse_id);
