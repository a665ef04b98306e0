/// Something done to the past while pings come in: how long it takes, how much memory, and what the pings notice.
import Glibc
import LocalServers

/// What it came to.
struct BesideIngest {
    let name: String
    /// Rows that it was about; 0 where it is not about rows.
    let rows: Int
    /// From its start to its end.
    let seconds: Double
    /// The most resident memory that was seen, in MiB; nil where it is not a process of its own.
    let peakMiB: Double?
    /// Acknowledgements of the pings that were due meanwhile, and their way to a row.
    let acknowledged: Latencies
    let toRow: Latencies
    /// CPU seconds of Postgres meanwhile, ingest's own share included.
    let postgresSeconds: Double
    let unacknowledged: Int

    /// Its line in the table.
    var line: [String] {
        [
            name, rows == 0 ? "" : grouped("\(rows)"), decimals(seconds, 1) + " s",
            rows == 0 ? "" : grouped(decimals(Double(rows) / max(0.001, seconds), 0)),
            peakMiB.map { decimals($0, 0) + " MiB" } ?? "", decimals(acknowledged.milliseconds(50), 1),
            decimals(acknowledged.milliseconds(99), 1), decimals(acknowledged.milliseconds(100), 1),
            decimals(toRow.milliseconds(50), 0), decimals(toRow.milliseconds(99), 0),
            decimals(postgresSeconds / max(0.001, seconds) * 100, 0) + " %", "\(unacknowledged)",
        ]
    }

    static let header = [
        "beside 2,000 pings/s", "rows", "time", "rows/s", "memory", "ack p50 ms", "p99", "worst", "row p50 ms", "p99",
        "Postgres CPU", "lost",
    ]

    /// The table, printed alike for a terminal and for a file.
    static func table(_ outcomes: [BesideIngest]) -> String {
        ReportTables.table(header, outcomes.map(\.line))
    }
}

/// Runs pings, and something beside them.
struct IngestBeside {
    let stage: Stage
    let report: Report

    /// Pings alone, for `seconds`.
    func alone(_ name: String, seconds: Double) throws -> BesideIngest {
        let measurement = try measure(seconds: seconds, begin: {})
        return try outcome(name, rows: 0, seconds: seconds, peakMiB: nil, [measurement])
    }

    /// Runs `start` at the beginning of a window, and windows until `isOver` says so.
    func run(_ name: String, rows: Int, start: () throws -> Void, isOver: () throws -> Bool) throws -> BesideIngest {
        report.progress("\(name) …")
        let clock = ContinuousClock()
        var begun = clock.now
        var failure: (any Error)?
        var measurements = [
            try measure(seconds: 3) {
                begun = clock.now
                do { try start() } catch { failure = error }
            }
        ]
        if let failure { throw failure }
        var elapsed = clock.now - begun
        while try !isOver() {
            measurements.append(try measure(seconds: 3, begin: {}))
            elapsed = clock.now - begun
        }
        return try outcome(name, rows: rows, seconds: Self.seconds(elapsed), peakMiB: nil, measurements)
    }

    /// Runs a command of the program, and fails where it does.
    func command(
        _ name: String, rows: Int, _ arguments: [String], environment: [String: String]
    ) throws -> BesideIngest {
        report.progress("\(name) …")
        let clock = ContinuousClock()
        var child: ChildProcess?
        var begun = clock.now
        var ended: ContinuousClock.Instant?
        var peak = 0
        var failure: (any Error)?
        var measurements: [Measurement] = []
        repeat {
            let measurement = try measure(seconds: 3) {
                guard child == nil else { return }
                begun = clock.now
                do { child = try stage.start(arguments, environment: environment) } catch { failure = error }
            } watch: {
                guard let child else { return }
                if child.isRunning {
                    peak = max(peak, MemoryUsage.peakKiB(child.processID))
                } else if ended == nil {
                    ended = clock.now
                }
            }
            measurements.append(measurement)
            if let failure { throw failure }
        } while child?.isRunning == true
        guard let child, let status = child.wait(.seconds(1)), status.isSuccess else {
            throw BenchError("\(arguments.joined(separator: " ")) failed: \(child?.output(last: 2_000) ?? "")")
        }
        report.progress(child.output(last: 400))
        return try outcome(
            name, rows: rows, seconds: Self.seconds((ended ?? clock.now) - begun),
            peakMiB: peak > 0 ? Double(peak) / 1_024 : nil, measurements)
    }

    private func measure(
        seconds: Double, begin: () -> Void, watch: @escaping () -> Void = {}
    ) throws -> Measurement {
        var plan = FleetPlan()
        plan.drivers = 200
        plan.sockets = 200
        plan.pingsPerSecond = 2_000
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        var options = RunOptions()
        options.warmUp = 0.3
        options.seconds = seconds
        return try withoutActuallyEscaping(watch) { watch in
            load.observer = { _ in watch() }
            defer { load.observer = nil }
            var isFirst = true
            return try Measurement(stage, load, options: options) {
                if isFirst { begin() }
                isFirst = false
                watch()
            }
        }
    }

    private func outcome(
        _ name: String, rows: Int, seconds: Double, peakMiB: Double?, _ measurements: [Measurement]
    ) throws -> BesideIngest {
        var acknowledged = Latencies()
        var toRow = Latencies()
        let stores = StoresScenario(stage: stage, report: report, options: RunOptions())
        for measurement in measurements {
            acknowledged.add(measurement.load.acknowledged)
            toRow.add(try stores.rowLag(measurement))
        }
        let outcome = BesideIngest(
            name: name, rows: rows, seconds: seconds, peakMiB: peakMiB, acknowledged: acknowledged, toRow: toRow,
            postgresSeconds: measurements.reduce(0) { $0 + $1.postgresSeconds }
                * seconds / max(0.001, measurements.reduce(0) { $0 + $1.load.seconds }),
            unacknowledged: measurements.reduce(0) { $0 + $1.load.unacknowledged })
        report.add("past", "\(name): time", "s", seconds)
        report.add("past", "\(name): acknowledgement p99", "ms", acknowledged.milliseconds(99))
        return outcome
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
}
