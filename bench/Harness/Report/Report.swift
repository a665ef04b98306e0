/// Gathers what a bench finds, says how far it is, and writes each record as a line of JSON as it comes.
import Glibc

final class Report {
    private(set) var records: [Record] = []
    /// How far the run is, `[3/17] `, in front of what goes on.
    private var position = ""
    /// When all of it is planned to be over.
    private var end: ContinuousClock.Instant?
    private let lines: Int32
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// `path` gets the JSON lines, the machine's first.
    init(path: String?, machine: Machine) throws {
        if let path {
            lines = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard lines >= 0 else { throw BenchError("cannot write \(path): \(Socket.reason())") }
        } else {
            lines = -1
        }
        keep(.machine(machine))
    }

    deinit { if lines >= 0 { close(lines) } }

    /// What is going on now, for whoever waits.
    func progress(_ text: String) {
        var line = text.isEmpty ? "" : position + text
        if let end, !text.isEmpty {
            let left = ContinuousClock.now.duration(to: end).components
            line += left.seconds > 0 ? "  (about \(Schedule.text(Double(left.seconds))) left)" : "  (nearly done)"
        }
        let shown = isTerminal ? "\r\u{1B}[K\(line)" : line + "\n"
        _ = Array(shown.utf8).withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// A step of the schedule begins, and so much is planned from here on.
    func begin(_ number: Int, of count: Int, _ name: String, secondsLeft: Double) {
        position = "[\(number)/\(count)] "
        end = .now + .seconds(secondsLeft)
        progress("\(name) …")
    }

    /// A figure that a goal asks for; the goal says what it is.
    func reach(
        _ goal: String, _ unit: String, _ measured: Double, floor: Double? = nil, runs: [Measurement] = []
    ) {
        guard let known = Goals.named(goal) else { preconditionFailure("no goal is called \(goal)") }
        keep(
            .figure(
                Figure(
                    scenario: goal, what: known.text, unit: unit, measured: measured, floor: floor, goal: goal,
                    isVoid: runs.contains { $0.load.isVoid })))
    }

    /// A detail.
    func add(
        _ scenario: String, _ what: String, _ unit: String, _ measured: Double, floor: Double? = nil,
        isHigherBetter: Bool = false, runs: [Measurement] = []
    ) {
        keep(
            .figure(
                Figure(
                    scenario: scenario, what: what, unit: unit, measured: measured, floor: floor,
                    isHigherBetter: isHigherBetter, isVoid: runs.contains { $0.load.isVoid })))
    }

    /// Whether any of these goals has been measured and missed: what a profile is for.
    func misses(_ goals: [String]) -> Bool {
        records.contains { record in
            if case .figure(let figure) = record, let goal = figure.goal, goals.contains(goal) {
                return figure.isReached == false
            }
            return false
        }
    }

    /// Where the time goes that those goals' figures are made of.
    func explain(_ goals: [String], of whole: String, _ parts: [ProfileRecord.Part]) {
        if !parts.isEmpty, !goals.isEmpty { keep(.profile(ProfileRecord(goals: goals, of: whole, parts: parts))) }
    }

    func curve(_ curve: Curve) { keep(.curve(curve)) }

    /// A remark that stands under the tables.
    func note(_ text: String) { keep(.note(text)) }

    /// What a run tells about itself: CPU seconds of every part, whether the generator was the limit, and who else used
    /// the machine. `further` are histograms besides the generator's own.
    func health(_ name: String, _ measurement: Measurement, further: [HistogramRecord] = []) {
        let load = measurement.load
        let histograms = [("ack", load.acknowledged), ("viewer", load.viewed), ("lag", load.lag)]
            .filter { $0.1.count > 0 }.map { HistogramRecord($0.0, $0.1) }
        keep(
            .run(
                RunRecord(
                    name: name, seconds: load.seconds, pings: load.pings, deliveries: load.deliveries,
                    serverCPUSeconds: measurement.serverSeconds, threadCPUSeconds: measurement.threadSeconds,
                    serverUserShare: measurement.userShare, redisCPUSeconds: measurement.redisSeconds,
                    postgresCPUSeconds: measurement.postgresSeconds, generatorShare: load.generatorShare,
                    otherCores: measurement.otherShare, histograms: histograms + further,
                    generatorLimit: load.generatorLimit)))
        if let limit = load.generatorLimit { note("\(name): the generator was the limit: \(limit)") }
        if measurement.otherShare > 0.1 {
            note(
                "\(name): others used \(decimals(measurement.otherShare, 1)) cores meanwhile; latencies are theirs too")
        }
        if load.rejections > 0 { note("\(name): \(load.rejections) acknowledgements carried rejections") }
        if load.unacknowledged > 0 { note("\(name): \(load.unacknowledged) pings were never acknowledged") }
    }

    /// The last step is over.
    func finish() {
        end = nil
        position = ""
        progress("")
    }

    private func keep(_ record: Record) {
        records.append(record)
        guard lines >= 0, let line = try? RecordLines.line(record) else { return }
        _ = Array(line.utf8).withUnsafeBytes { Glibc.write(lines, $0.baseAddress, $0.count) }
    }
}
