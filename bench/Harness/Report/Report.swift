/// What a bench says: one line a figure, with its goal, its floor and the ratio; the same as JSON lines.
import Glibc

/// One figure.
struct Figure {
    /// Which scenario it belongs to.
    var scenario: String
    /// What was measured, with its unit.
    var what: String
    var unit: String
    var measured: Double
    /// The floor, in the same unit.
    var floor: Double?
    /// The most (or, where `isMinimum`, the least) that reaches the goal: a ratio to the floor, or a value without one.
    var limit: Double?
    var isMinimum = false
    /// The generator or the machine was the limit in one of its runs: it says nothing about the gateway.
    var isVoid = false

    var ratio: Double? { floor.flatMap { $0 > 0 ? measured / $0 : nil } }

    /// Nil where there is no goal.
    var isReached: Bool? {
        guard let limit else { return nil }
        let value = floor == nil ? measured : ratio ?? .infinity
        return isMinimum ? value >= limit : value <= limit
    }

    var goal: String {
        guard let limit else { return "" }
        return (isMinimum ? "≥ " : "≤ ") + decimals(limit, 2) + (floor == nil ? " \(unit)" : " × floor")
    }
}

/// Gathers figures and notes, prints them as they come and as a table at the end.
final class Report {
    private(set) var figures: [Figure] = []
    private var notes: [String] = []
    private var runs: [[String]] = []
    private let lines: Int32
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// `path` gets the JSON lines.
    init(path: String?) throws {
        guard let path else {
            lines = -1
            return
        }
        lines = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard lines >= 0 else { throw BenchError("cannot write \(path): \(Socket.reason())") }
    }

    deinit { if lines >= 0 { close(lines) } }

    /// What is going on now, for whoever waits.
    func progress(_ text: String) {
        let line = isTerminal ? "\r\u{1B}[K\(text)" : "\(text)\n"
        _ = Array(line.utf8).withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    func add(
        _ scenario: String, _ what: String, _ unit: String, _ measured: Double, floor: Double? = nil,
        limit: Double? = nil, isMinimum: Bool = false, runs: [Measurement] = []
    ) {
        let figure = Figure(
            scenario: scenario, what: what, unit: unit, measured: measured, floor: floor, limit: limit,
            isMinimum: isMinimum, isVoid: runs.contains { $0.load.isVoid })
        figures.append(figure)
        var json = "{\"scenario\":\"\(scenario)\",\"what\":\"\(what)\",\"unit\":\"\(unit)\",\"measured\":\(measured)"
        if let floor { json += ",\"floor\":\(floor)" }
        if let ratio = figure.ratio { json += ",\"ratio\":\(ratio)" }
        if let limit { json += ",\"limit\":\(limit)" }
        if let isReached = figure.isReached { json += ",\"reached\":\(isReached)" }
        if figure.isVoid { json += ",\"void\":true" }
        write(json + "}\n")
    }

    /// A remark that stands under the table.
    func note(_ text: String) {
        notes.append(text)
        write("{\"note\":\"\(text)\"}\n")
    }

    /// What the run tells about itself: CPU seconds of every part, whether the generator was the limit, and who else
    /// used the machine.
    func health(_ scenario: String, _ measurement: Measurement) {
        let load = measurement.load
        let threads = measurement.threadSeconds
        write(
            "{\"run\":\"\(scenario)\",\"seconds\":\(load.seconds),\"pings\":\(load.pings),"
                + "\"deliveries\":\(load.deliveries),\"server_cpu_s\":\(measurement.serverSeconds),"
                + "\"thread_cpu_s\":\(threads),\"server_user_share\":\(measurement.userShare),"
                + "\"redis_cpu_s\":\(measurement.redisSeconds),\"postgres_cpu_s\":\(measurement.postgresSeconds),"
                + "\"generator_core\":\(load.generatorShare),\"lag_p99_ms\":\(load.lag.milliseconds(99)),"
                + "\"others_cores\":\(measurement.otherShare)}\n")
        runs.append([
            scenario, decimals(Double(load.pings) / load.seconds, 0),
            decimals(Double(load.deliveries) / load.seconds, 0), decimals(measurement.serverSeconds, 2),
            threads.map { decimals($0, 2) }.joined(separator: " + "), decimals(measurement.userShare * 100, 0) + " %",
            decimals(measurement.redisSeconds, 2), decimals(measurement.postgresSeconds, 2),
            decimals(load.generatorShare * 100, 0) + " %", decimals(load.lag.milliseconds(99), 1),
            decimals(measurement.otherShare, 1),
        ])
        if let limit = load.generatorLimit { note("\(scenario): the generator was the limit: \(limit)") }
        if measurement.otherShare > 0.1 {
            note(
                "\(scenario): others used \(decimals(measurement.otherShare, 1)) cores meanwhile; latencies are theirs too"
            )
        }
        if load.rejections > 0 { note("\(scenario): \(load.rejections) acknowledgements carried rejections") }
        if load.unacknowledged > 0 { note("\(scenario): \(load.unacknowledged) pings were never acknowledged") }
    }

    func printTable() {
        progress("")
        Self.table(
            ["what", "goal", "measured", "floor", "ratio", "reached"],
            figures.map { figure in
                [
                    "\(figure.scenario): \(figure.what)", figure.goal,
                    decimals(figure.measured, figure.measured < 100 ? 2 : 0) + " " + figure.unit,
                    figure.floor.map { decimals($0, $0 < 100 ? 2 : 0) } ?? "",
                    figure.ratio.map { decimals($0, 2) + " ×" } ?? "",
                    figure.isReached.map { ($0 ? "yes" : "NO") + (figure.isVoid ? " (void)" : "") } ?? "",
                ]
            })
        print()
        Self.table(
            [
                "run", "pings/s", "deliveries/s", "server CPU s", "by thread", "user", "Redis s", "Postgres s",
                "generator",
                "lag p99 ms", "others, cores",
            ], runs)
        print()
        for note in notes { print("note: \(note)") }
        fflush(nil)
    }

    private static func table(_ header: [String], _ rows: [[String]]) {
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        for row in [header] + rows {
            let cells = row.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return column == 0 ? text + space : space + text
            }
            print(cells.joined(separator: "  "))
        }
    }

    private func write(_ text: String) {
        guard lines >= 0 else { return }
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(lines, $0.baseAddress, $0.count) }
    }
}
