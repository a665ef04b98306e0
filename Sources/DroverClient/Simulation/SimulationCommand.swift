/// `drover simulate`: a simulation with a live line a second and a summary at the end.
import EventLoop
import Glibc

/// Runs one simulation until its time is over or a signal comes.
public final class SimulationCommand {
    private let loop = EventLoop()
    private let simulation: Simulation
    private let options: Simulation.Options
    private let seconds: Int?
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private var handles: [LoopHandle] = []
    private var elapsed = 0
    private var isStopping = false

    /// - Parameter seconds: how long; nil is until SIGINT or SIGTERM.
    public init(_ options: Simulation.Options, seconds: Int? = nil) throws(DroverClientError) {
        self.options = options
        self.seconds = seconds
        simulation = try Simulation(loop: loop, options: options)
    }

    /// Runs it and gives the exit code: 0 where pings were acknowledged and every session lasted.
    public func run() -> Int32 {
        for number in [SIGINT, SIGTERM] {
            handles.append(LoopSignal(loop: loop, number: number) { [self] in stop() })
        }
        let timer = LoopTimer(loop: loop) { [self] in everySecond() }
        timer.start(afterMilliseconds: 1000, everyMilliseconds: 1000)
        handles.append(timer)
        simulation.start()
        loop.run()
        let total = simulation.total
        for line in summary(total) { print(line) }
        return total.acknowledged > 0 && total.ended == 0 ? 0 : 1
    }

    private func everySecond() {
        elapsed += 1
        let now = simulation.takeInterval()
        var line =
            "pings \(now.sent)/s, acknowledged \(now.acknowledged)/s, ack "
            + latency(now.acknowledgements)
        if options.viewers > 0 { line += " | updates \(now.updates)/s, ping to viewer " + latency(now.deliveries) }
        if now.skipped > 0 { line += " | skipped \(now.skipped)" }
        if !now.rejected.isEmpty { line += " | rejected \(now.rejected.values.reduce(0, +))" }
        if now.sent == 0, let problem = simulation.total.lastProblem { line += " | \(problem)" }
        if isTerminal {
            print("\r\u{1B}[K" + line, terminator: "")
        } else {
            print(line)
        }
        fflush(nil)
        if let seconds, elapsed >= seconds { stop() }
        if simulation.total.ended >= options.viewers + (options.drivers - 1) / options.driversPerConnection + 1 {
            end()
        }
    }

    /// First stops driving and waits up to two seconds for what is on its way; the second call ends at once.
    private func stop() {
        guard !isStopping else { return end() }
        isStopping = true
        simulation.park()
        let deadline = SystemClock.monotonicMicroseconds() + 2_000_000
        let timer = LoopTimer(loop: loop) { [self] in
            if simulation.unsettled == 0 || SystemClock.monotonicMicroseconds() > deadline { end() }
        }
        timer.start(afterMilliseconds: 10, everyMilliseconds: 10)
        handles.append(timer)
    }

    private func end() {
        guard !handles.isEmpty else { return }
        for handle in handles { handle.close() }
        handles = []
        // Sockets that are closing keep the loop running until the other side has answered.
        simulation.stop()
    }

    private func latency(_ recorder: LatencyRecorder) -> String {
        recorder.count == 0
            ? "-"
            : "p50 \(oneDecimal(recorder.milliseconds(percentile: 50))) p99 "
                + "\(oneDecimal(recorder.milliseconds(percentile: 99))) ms"
    }

    private func summary(_ total: SimulationStatistics) -> [String] {
        var lines = [
            (isTerminal ? "\r\u{1B}[K" : "") + "sent            \(total.sent) in \(elapsed) s",
            "acknowledged    \(total.acknowledged), ack \(latency(total.acknowledgements))",
        ]
        for (reason, count) in total.rejected.sorted(by: { $0.key < $1.key }) {
            lines.append("rejected        \(count)  \(reason)")
        }
        if total.skipped > 0 { lines.append("skipped         \(total.skipped), since too many were unacknowledged") }
        if options.viewers > 0 {
            lines.append("viewer updates  \(total.updates), ping to viewer \(latency(total.deliveries))")
        }
        if total.interruptions > 0 || total.ended > 0 {
            lines.append("interruptions   \(total.interruptions), ended \(total.ended): \(total.lastProblem ?? "")")
        }
        let late = total.lateness.milliseconds(percentile: 99)
        if late > 20 { lines.append("the generator itself was late: p99 \(oneDecimal(late)) ms; believe less") }
        return lines
    }
}
