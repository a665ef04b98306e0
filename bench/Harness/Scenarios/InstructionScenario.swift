/// Instructions: what a ping takes in user space, counted by callgrind instead of timed, so that neighbours and clock
/// speeds do not matter. What the kernel does is not in it.
import Glibc
import LocalServers

struct InstructionScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions
    /// Where callgrind's files are kept for callgrind_annotate; nil keeps nothing.
    let keep: String?

    /// Leaves the stage with a gateway that crawls; start another one for what is timed.
    func run() throws {
        guard (try? Command.runChecked(["valgrind", "--version"])) != nil else {
            throw BenchError("instructions are counted by callgrind: apt-get install valgrind")
        }
        report.progress("instructions …")
        let directory = try TemporaryDirectory(prefix: "drover-calls")
        defer { directory.remove() }
        let place = keep ?? directory.path
        try stage.startGateway(wrapper: [
            "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            "--callgrind-out-file=\(place)/callgrind.%p",
        ])
        var plan = FleetPlan()
        // As much as callgrind's fiftieth of the speed bears. Each driver at 4 Hz, twenty viewers a driver: deliveries
        // then are half of what the loop does, and the difference that they are reckoned from is no small one.
        plan.drivers = 50
        plan.sockets = 50
        plan.pingsPerSecond = 200
        let alone = try counted(place, plan, nil)
        report.add("instructions", "a ping, the loop's thread", "", alone.loop / Double(alone.result.pings))
        report.add("instructions", "a ping, the other threads", "", alone.others / Double(alone.result.pings))
        let viewed = try counted(place, plan, AudiencePlan(viewers: 1_000, driversPerViewer: 1))
        report.add(
            "instructions", "a delivery, the loop's thread", "",
            (viewed.loop - alone.loop) / Double(max(1, viewed.result.deliveries)))
    }

    /// Instructions within the window, of the first thread and of the others.
    private func counted(
        _ place: String, _ plan: FleetPlan, _ audience: AudiencePlan?
    ) throws -> (loop: Double, others: Double, result: LoadResult) {
        guard let process = stage.gateway?.processID else { throw BenchError("no gateway runs under callgrind") }
        let known = Set(ProcFile.entries(place))
        var isOn = false
        var failure: (any Error)?
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        let result = try load.run(warmUp: options.warmUp + 3, seconds: options.seconds) {
            isOn.toggle()
            do {
                try Command.runChecked(["callgrind_control", "-i", isOn ? "on" : "off", "\(process)"])
                if !isOn { try Command.runChecked(["callgrind_control", "-d", "\(process)"]) }
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        let files = ProcFile.entries(place).filter { $0.hasPrefix("callgrind.\(process).") && !known.contains($0) }
        var loop = 0.0
        var others = 0.0
        for file in files {
            // callgrind.PID.DUMP-THREAD, each with a last line `totals: INSTRUCTIONS`.
            let text = ProcFile.read("\(place)/\(file)")
            let total = text.split(separator: "\n").last { $0.hasPrefix("totals:") }
            let count = total?.split(separator: " ").last.flatMap { Double($0) } ?? 0
            if file.hasSuffix("-01") { loop += count } else { others += count }
            if keep == nil { unlink("\(place)/\(file)") }
        }
        return (loop, others, result)
    }
}
