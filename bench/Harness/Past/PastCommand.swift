/// `drover-bench past`: forty days of a million rows, and what looking after them costs, beside ingest.
import ArgumentParser
import DroverClient
import Glibc
import LocalServers

/// Started through `bench/past`.
struct Past: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fill days of history, then maintain, archive, drop and roll them up beside ingest.",
        discussion: "Start it through bench/past. Forty days of a million rows take some 7 GB of disk, and ten minutes."
    )

    @Option(help: "Days before today.") var days = 40
    @Option(help: "Rows of each.") var rows = 1_000_000
    @Option(help: "Rows of the one day that is dropped alone.") var largeDay = 5_000_000
    @Option(help: "Drivers of each day.") var drivers = 200
    @Option(help: "The core of the gateway.") var serverCore = 0

    func validate() throws {
        guard (32...400).contains(days), (1_000...10_000_000).contains(rows), (1...10_000).contains(drivers),
            (0...50_000_000).contains(largeDay)
        else { throw ValidationError("days 32 to 400, rows 1000 to 10000000 a day, drivers 1 to 10000") }
    }

    func run() throws {
        let report = try Report(path: nil, machine: .present(command: "past"))
        let stage = try Stage(serverCore: serverCore)
        defer { stage.close() }
        try PastScenario(stage: stage, report: report, options: self).run()
    }
}

/// The steps.
struct PastScenario {
    let stage: Stage
    let report: Report
    let options: Past

    /// Maintenance by the gateway itself only where a step asks for it.
    private static let quiet = ["DROVER_HISTORY_MAINTENANCE_S": "86400", "DROVER_HISTORY_ROLLUP_S": "86400"]

    func run() throws {
        let beside = IngestBeside(stage: stage, report: report)
        try stage.startGateway(environment: Self.quiet)
        var outcomes = [try beside.alone("nothing, empty history", seconds: 6)]
        let days = SyntheticDays(postgres: stage.postgres, drivers: options.drivers)
        let clock = ContinuousClock()
        let begun = clock.now
        for ago in 1...options.days {
            report.progress("filling day \(ago) of \(options.days) …")
            try days.fill(ago: ago, rows: options.rows)
        }
        print("filled \(options.days) days of \(grouped("\(options.rows)")) rows in \(clock.now - begun)")
        outcomes.append(try beside.alone("nothing, full history", seconds: 6))
        // A day is dropped whole once the last of its pings is older than the retention and a day.
        let expired = options.days - 31
        outcomes.append(
            try beside.command(
                "maintain: archive and drop \(expired) days", rows: expired * options.rows, ["partitions", "maintain"],
                environment: ["DROVER_HISTORY_ARCHIVE_DIRECTORY": stage.path("archive")]))
        report.progress("noting the hours …")
        try days.noteAll()
        try stage.startGateway(environment: ["DROVER_HISTORY_MAINTENANCE_S": "86400", "DROVER_HISTORY_ROLLUP_S": "1"])
        let kept = options.days - expired
        outcomes.append(
            try beside.run("roll-up of \(kept) days", rows: kept * options.rows, start: {}) {
                try stage.postgres.psql(
                    "SELECT count(*) FROM driver_location_changes WHERE driver_id LIKE 'past-%'",
                    database: Stage.database) == "0"
            })
        try stage.startGateway(environment: Self.quiet)
        if options.largeDay > 0 {
            report.progress("filling a day of \(options.largeDay) rows …")
            try days.fill(ago: options.days + 1, rows: options.largeDay)
            outcomes.append(
                try beside.command(
                    "drop a day, not archived", rows: options.largeDay, ["partitions", "maintain"],
                    environment: ["DROVER_HISTORY_ARCHIVE_DIRECTORY": ""]))
        }
        outcomes.append(
            try beside.command("maintain with nothing to do", rows: 0, ["partitions", "maintain"], environment: [:]))
        print(BesideIngest.table(outcomes), terminator: "")
        try explain()
        fflush(nil)
    }

    /// The plan of a driver's day.
    private func explain() throws {
        let plan = try stage.postgres.psql(
            """
            EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) SELECT * FROM driver_location_events
            WHERE driver_id = 'past-0007' AND recorded_at >= date_trunc('day', now(), 'UTC') - interval '5 days'
                AND recorded_at < date_trunc('day', now(), 'UTC') - interval '4 days' ORDER BY recorded_at LIMIT 500
            """, database: Stage.database)
        print("\na page of a driver's day:\n\(plan)")
    }
}
