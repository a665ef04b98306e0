/// Days of made-up pings, written straight into the partitions of Postgres.
import LocalServers

struct SyntheticDays {
    let postgres: LocalPostgres
    /// Drivers of each day; their pings come one behind the other at the same distance in time.
    let drivers: Int

    /// Makes the partition of the day that was `ago` days before today (UTC) and fills it with `rows` rows.
    func fill(ago: Int, rows: Int) throws {
        let count = max(1, rows / drivers)
        _ = try postgres.psql(
            """
            DO $$
            DECLARE
                day date := (now() AT TIME ZONE 'UTC')::date - \(ago);
                name text := 'driver_location_events_' || to_char(day, 'YYYYMMDD');
            BEGIN
                IF to_regclass(name) IS NULL THEN
                    EXECUTE format('CREATE TABLE %I (LIKE driver_location_events INCLUDING ALL)', name);
                    EXECUTE format('ALTER TABLE driver_location_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                        name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
                END IF;
            END $$;
            INSERT INTO driver_location_events
                (driver_id, recorded_at, lat, lng, speed, heading, accuracy, source, received_at)
            SELECT 'past-' || lpad(d::text, 4, '0'), at, round((43.65 + 0.05 * sin(i / 500.0 + d))::numeric, 7),
                round((-79.38 + 0.05 * cos(i / 700.0 + d))::numeric, 7), (i % 300) / 10.0, i % 360, 5, 'gps',
                at + interval '200 ms'
            FROM generate_series(0, \(drivers - 1)) d, generate_series(0, \(count - 1)) i,
                LATERAL (SELECT ((now() AT TIME ZONE 'UTC')::date - \(ago))::timestamp AT TIME ZONE 'UTC'
                    + make_interval(secs => i * (86400.0 / \(count))) AS at) t;
            """, database: Stage.database, within: .seconds(600))
    }

    /// Notes every driver's hours of these days for the roll-up, as the writer of such pings would have.
    func noteAll() throws {
        _ = try postgres.psql(
            """
            INSERT INTO driver_location_changes (driver_id, hour, from_at, generation)
            SELECT driver_id, date_trunc('hour', recorded_at, 'UTC'), min(recorded_at), 0
            FROM driver_location_events WHERE driver_id LIKE 'past-%' GROUP BY 1, 2
            """, database: Stage.database, within: .seconds(600))
    }
}
