/// `/readyz` of several processes: fit for traffic while one of them is, with all that is degraded anywhere.

extension Readiness {
    /// As one process tells another: a line each of `obstacle` and `degraded`, with tabs between words.
    var report: String {
        var lines = obstacle.map { ["obstacle\t\(Self.oneLine($0))"] } ?? []
        lines += degraded.map { "degraded\t\(Self.oneLine($0.part))\t\(Self.oneLine($0.reason))" }
        return lines.joined(separator: "\n")
    }

    /// Reads a report.
    init(report: String) {
        var obstacle: String?
        var degraded: [(part: String, reason: String)] = []
        for line in report.split(separator: "\n") {
            let words = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            if words.count == 2, words[0] == "obstacle" { obstacle = words[1] }
            if words.count == 3, words[0] == "degraded" { degraded.append((words[1], words[2])) }
        }
        self.init(obstacle: obstacle, degraded: degraded)
    }

    /// Of all workers: nil where one gave no report; `states` says why.
    init(ofWorkers reports: [Readiness?], states: [String]) {
        var degraded: [(part: String, reason: String)] = []
        var ailing: [String] = []
        for (worker, report) in reports.enumerated() {
            guard let report else {
                ailing.append("worker \(worker) is \(states[worker])")
                continue
            }
            if let obstacle = report.obstacle { ailing.append("worker \(worker): \(obstacle)") }
            for (part, reason) in report.degraded where !degraded.contains(where: { $0.part == part }) {
                degraded.append((part, reason))
            }
        }
        if !ailing.isEmpty { degraded.append(("workers", ailing.joined(separator: "; "))) }
        let isReady = reports.contains { $0 != nil && $0?.obstacle == nil }
        let obstacle = reports.compactMap { $0?.obstacle }.first ?? "no worker is ready"
        self.init(obstacle: isReady ? nil : obstacle, degraded: degraded)
    }

    private static func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
    }
}
