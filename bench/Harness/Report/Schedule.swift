/// What a run consists of, and how long it will take: known before it begins, so that whoever waits knows too.
import Glibc

struct Schedule {
    struct Step {
        var name: String
        /// Planned, from the lengths of its runs.
        var seconds: Double
        var run: () throws -> Void
    }

    private var steps: [Step] = []

    /// Steps whose length is planned; they run in this order.
    mutating func add(_ name: String, seconds: Double, _ run: @escaping () throws -> Void) {
        steps.append(Step(name: name, seconds: seconds, run: run))
    }

    var seconds: Double { steps.reduce(0) { $0 + $1.seconds } }

    /// Runs it all.
    func run(_ report: Report) throws {
        var end = time(nil) + Int(seconds)
        var parts = tm()
        localtime_r(&end, &parts)
        let minute = "\(parts.tm_min < 10 ? "0" : "")\(parts.tm_min)"
        report.progress(
            "\(steps.count) steps, planned to end at \(parts.tm_hour):\(minute), in \(Self.text(seconds))\n")
        for (index, step) in steps.enumerated() {
            let left = steps[index...].reduce(0) { $0 + $1.seconds }
            report.begin(index + 1, of: steps.count, step.name, secondsLeft: left)
            try step.run()
        }
        report.finish()
    }

    /// `40 s`, `3 min`.
    static func text(_ seconds: Double) -> String {
        seconds < 90 ? "\(Int(seconds.rounded(.up))) s" : "\(Int((seconds / 60).rounded(.up))) min"
    }
}
