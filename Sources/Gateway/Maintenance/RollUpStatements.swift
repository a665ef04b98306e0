/// The roll-up's SQL: how a driver's hour is read from the history and put together with what is known of it.

/// Statements, all with Drover's schema and the history's in the search path.
struct RollUpStatements {
    /// A silence longer than this ends a track: there is no segment across it.
    let trackGapSeconds: Int

    /// Below this speed between two pings a driver stands, in m/s: a walk is 1.4, the wander of a parked phone 0.2.
    private static let movingSpeed = 0.5

    /// For the transaction: the plan must go by the primary keys, driver by driver, also while the statistics are those of
    /// a table that was empty; and compiling costs more than a chunk.
    static let settings = """
        SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0
        """

    /// `$1`: the last complete generation. Puts its driver-hours, numbered in order, into a table of the transaction.
    /// `again`: the hour's first segment may begin elsewhere now (see `takeIn`), so that all of it is read.
    static let gather = """
        CREATE TEMP TABLE drover_hours ON COMMIT DROP AS
        SELECT row_number() OVER (ORDER BY driver_id, hour) AS number, driver_id, hour, from_at, again
        FROM (
            SELECT driver_id, hour, min(from_at) FILTER (WHERE isfinite(from_at)) AS from_at,
                bool_or(NOT isfinite(from_at)) AS again
            FROM driver_location_changes WHERE generation <= $1::bigint GROUP BY driver_id, hour
        ) noted
        """

    /// `$1`: that generation; `$2`: the last number that was taken in.
    static let removeNotes = """
        DELETE FROM driver_location_changes noted USING pg_temp.drover_hours taken
        WHERE noted.driver_id = taken.driver_id AND noted.hour = taken.hour
            AND noted.generation <= $1::bigint AND taken.number <= $2::bigint
        """

    /// Takes in the hours numbered from `$1` (not it itself) to `$2`. Where an hour ends elsewhere than before, the
    /// driver's next hour that is within reach gets a note of generation `$3`, since its first segment begins there;
    /// returns whether there is such a note.
    var takeIn: String {
        """
        WITH wanted AS MATERIALIZED (\(wanted)),
        track AS MATERIALIZED (\(track)),
        merged AS MATERIALIZED (\(merged)),
        written AS (
            INSERT INTO driver_location_hourly (\(Self.columns)) SELECT \(Self.columns) FROM merged
            ON CONFLICT (driver_id, hour) DO UPDATE SET (\(Self.columns)) = ROW (\(Self.excluded)), updated_at = now()
        ),
        followed AS (
            INSERT INTO driver_location_changes (driver_id, hour, from_at, generation)
            SELECT merged.driver_id, next.hour, '-infinity', $3::bigint
            FROM merged CROSS JOIN LATERAL (
                SELECT hour, first_at FROM driver_location_hourly
                WHERE driver_id = merged.driver_id AND hour > merged.hour AND hour <= merged.last_at + \(gap)
                ORDER BY first_at LIMIT 1) next
            WHERE merged.ends_elsewhere AND next.first_at <= merged.last_at + \(gap)
            RETURNING 1
        )
        SELECT EXISTS (SELECT FROM followed)
        """
    }

    private var gap: String { "interval '\(trackGapSeconds) s'" }

    /// The hours of this chunk: what is read of them lies behind `behind`. Most are extended, where all that is new lies
    /// behind the last known ping; else they are read from their beginning and computed anew. Where pings that were
    /// counted are gone, because their day was dropped, that would come to less: then what was written since, which has a
    /// transaction younger than `age`, is added instead.
    private var wanted: String {
        """
        SELECT driver_id, hour, hour + interval '1 hour' AS until, extends OR age IS NOT NULL AS adds, age,
            CASE WHEN extends THEN known_last_at ELSE hour - interval '1 microsecond' END AS behind
        FROM (
            SELECT driver_id, hour, extends, known_last_at,
                CASE WHEN NOT extends AND known_pings > (
                    SELECT count(*) FROM driver_location_events event WHERE event.driver_id = hours.driver_id
                    AND event.recorded_at >= hours.hour AND event.recorded_at < hours.hour + interval '1 hour')
                THEN known_age END AS age
            FROM (
                SELECT hours.driver_id, hours.hour, known.last_at AS known_last_at, known.pings AS known_pings,
                    age(known.xmin) AS known_age,
                    coalesce(hours.from_at > known.last_at AND NOT hours.again, false) AS extends
                FROM pg_temp.drover_hours hours
                LEFT JOIN driver_location_hourly known ON known.driver_id = hours.driver_id AND known.hour = hours.hour
                WHERE hours.number > $1::bigint AND hours.number <= $2::bigint
                OFFSET 0
            ) hours
            OFFSET 0
        ) judged
        """
    }

    /// What the history has of each of them: an index scan a driver-hour, in the order of time. `OFFSET 0` keeps the
    /// planner from computing a segment once for every sum that it is in.
    private var track: String {
        """
        SELECT wanted.driver_id, wanted.hour, wanted.adds, sums.*
        FROM wanted
        LEFT JOIN LATERAL (\(before)) before ON wanted.age IS NULL
        CROSS JOIN LATERAL (
            SELECT count(*) AS pings, coalesce(sum(metres), 0) AS distance_m, coalesce(sum(moving_m), 0) AS moving_m,
                coalesce(sum(seconds) FILTER (WHERE moving_m IS NOT NULL), 0) AS moving_s,
                coalesce(sum(seconds) FILTER (WHERE moving_m IS NULL), 0) AS idle_s,
                max(speed) AS max_speed, min(lat) AS min_lat, min(lng) AS min_lng, max(lat) AS max_lat,
                max(lng) AS max_lng, min(at) AS first_at, max(at) AS last_at
            FROM (
                SELECT at, lat, lng, speed, seconds, metres,
                    CASE WHEN metres >= \(Self.movingSpeed) * seconds THEN metres END AS moving_m
                FROM (
                    SELECT at, lat, lng, speed, seconds,
                        CASE WHEN seconds IS NOT NULL THEN \(Self.metres) END AS metres
                    FROM (
                        SELECT at, lat, lng, speed, before_lat,
                            sin(radians(lat - before_lat) / 2) AS sine_lat, sin(radians(lng - before_lng) / 2) AS sine_lng,
                            CASE WHEN at - before_at <= \(gap) THEN date_part('epoch', at - before_at) END AS seconds
                        FROM (
                            SELECT event.recorded_at AS at, event.lat, event.lng, event.speed,
                                lag(event.recorded_at, 1, before.at) OVER track AS before_at,
                                lag(event.lat, 1, before.lat) OVER track AS before_lat,
                                lag(event.lng, 1, before.lng) OVER track AS before_lng
                            FROM driver_location_events event
                            WHERE event.driver_id = wanted.driver_id
                                AND event.recorded_at > wanted.behind AND event.recorded_at < wanted.until
                                AND (wanted.age IS NULL OR age(event.xmin) < wanted.age)
                            WINDOW track AS (ORDER BY event.recorded_at)
                        ) pings OFFSET 0
                    ) halves OFFSET 0
                ) segments OFFSET 0
            ) judged
        ) sums
        WHERE sums.pings > 0
        """
    }

    /// The ping before those that are read, from which the first segment comes: the history's, or the last one that an
    /// earlier roll-up saw, whose day may be gone. Ordered by `last_at`, although the hours have the same order, so that
    /// no plan goes through an index of everybody's hours.
    private var before: String {
        """
        SELECT at, lat, lng FROM (
            (SELECT event.recorded_at AS at, event.lat, event.lng FROM driver_location_events event
            WHERE event.driver_id = wanted.driver_id
                AND event.recorded_at <= wanted.behind AND event.recorded_at >= wanted.behind - \(gap)
            ORDER BY event.recorded_at DESC LIMIT 1)
            UNION ALL
            (SELECT hourly.last_at, hourly.last_lat, hourly.last_lng FROM driver_location_hourly hourly
            WHERE hourly.driver_id = wanted.driver_id AND hourly.hour <= wanted.hour
                AND hourly.hour > wanted.behind - \(gap) - interval '1 hour' AND hourly.last_at <= wanted.behind
            ORDER BY hourly.last_at DESC LIMIT 1)
        ) candidates ORDER BY at DESC LIMIT 1
        """
    }

    /// The haversine formula over halves that were taken before; the same sphere as `Distance.metres`, with the mean
    /// Earth radius of IUGG (R₁).
    private static let metres = """
        2 * 6371008.8 * asin(sqrt(least(1, sine_lat * sine_lat
            + cos(radians(lat)) * cos(radians(before_lat)) * sine_lng * sine_lng)))
        """

    /// The new rows.
    private var merged: String {
        """
        SELECT track.driver_id, track.hour,
            \(Self.added("pings")), \(Self.added("distance_m")), \(Self.added("moving_m")), \(Self.added("moving_s")),
            \(Self.added("idle_s")),
            \(Self.chosen("max_speed", by: "greatest")), \(Self.chosen("min_lat", by: "least")),
            \(Self.chosen("min_lng", by: "least")), \(Self.chosen("max_lat", by: "greatest")),
            \(Self.chosen("max_lng", by: "greatest")),
            \(Self.chosen("first_at", by: "least")),
            CASE WHEN track.adds AND known.first_at <= track.first_at THEN known.first_lat ELSE first.lat END AS first_lat,
            CASE WHEN track.adds AND known.first_at <= track.first_at THEN known.first_lng ELSE first.lng END AS first_lng,
            \(Self.chosen("last_at", by: "greatest")),
            CASE WHEN track.adds AND known.last_at >= track.last_at THEN known.last_lat ELSE last.lat END AS last_lat,
            CASE WHEN track.adds AND known.last_at >= track.last_at THEN known.last_lng ELSE last.lng END AS last_lng,
            known.last_at IS DISTINCT FROM \(Self.choice("last_at", by: "greatest")) AS ends_elsewhere
        FROM track
        LEFT JOIN driver_location_hourly known ON known.driver_id = track.driver_id AND known.hour = track.hour
        CROSS JOIN LATERAL (\(Self.point(at: "first_at"))) first
        CROSS JOIN LATERAL (\(Self.point(at: "last_at"))) last
        """
    }

    /// `OFFSET 0` keeps it a look by the key for each driver-hour: as a join it could become a reading of all.
    private static func point(at time: String) -> String {
        """
        SELECT lat, lng FROM driver_location_events
        WHERE driver_id = track.driver_id AND recorded_at = track.\(time) OFFSET 0
        """
    }

    private static func added(_ column: String) -> String {
        "track.\(column) + CASE WHEN track.adds THEN known.\(column) ELSE 0 END AS \(column)"
    }

    /// `greatest` and `least` leave NULL out.
    private static func choice(_ column: String, by function: String) -> String {
        "CASE WHEN track.adds THEN \(function)(track.\(column), known.\(column)) ELSE track.\(column) END"
    }

    private static func chosen(_ column: String, by function: String) -> String {
        "\(choice(column, by: function)) AS \(column)"
    }

    private static let columnNames = [
        "driver_id", "hour", "pings", "distance_m", "moving_m", "moving_s", "idle_s", "max_speed", "min_lat", "min_lng",
        "max_lat", "max_lng", "first_at", "first_lat", "first_lng", "last_at", "last_lat", "last_lng",
    ]
    private static let columns = columnNames.joined(separator: ", ")
    private static let excluded = columnNames.map { "EXCLUDED.\($0)" }.joined(separator: ", ")
}
