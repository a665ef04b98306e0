/// Says where the time of a missed goal goes, from a run beside the measured one.
import LocalServers

struct Explanation {
    let stage: Stage
    let report: Report

    /// What is sampled.
    enum Subject {
        case gateway, redis

        var name: String { self == .gateway ? "the gateway" : "Redis" }
    }

    /// Seconds that are sampled.
    static let seconds = 3.0

    /// Runs `load` once more, with perf at the side, if one of `goals` was measured and missed. Without perf the threads
    /// of `measurement` must do.
    func explain(
        _ goals: [String], _ measurement: Measurement, of subject: Subject = .gateway, again load: () -> Load
    ) throws {
        let missed = goals.filter { report.misses([$0]) }
        guard !missed.isEmpty else { return }
        guard PerfProfile.isAvailable else {
            if subject == .gateway { report.explain(missed, Self.threads(measurement)) }
            return
        }
        report.progress("a goal is missed: where \(subject.name)'s time goes …")
        guard let process = subject == .gateway ? stage.gateway?.processID : stage.redis.processID else { return }
        var profile: PerfProfile?
        var failure: (any Error)?
        _ = try load().run(warmUp: 1, seconds: Self.seconds) {
            if let profile { return profile.stop() }
            do { profile = try PerfProfile([process]) } catch { failure = error }
        }
        if let failure { report.note("perf: \(failure)") }
        if let profile { report.explain(missed, try profile.parts()) }
    }

    /// By thread, and by who ran it: all that /proc says.
    static func threads(_ measurement: Measurement) -> [ProfileRecord.Part] {
        let names = ["loop", "journal", "history"]
        let all = max(1e-9, measurement.serverSeconds)
        let threads = measurement.threadSeconds.enumerated().map { index, seconds in
            ProfileRecord.Part(
                name: "thread \(index < names.count ? names[index] : "\(index + 1)")", share: seconds / all)
        }
        return threads + [
            ProfileRecord.Part(name: "of all in user space", share: measurement.userShare),
            ProfileRecord.Part(name: "in the kernel", share: 1 - measurement.userShare),
        ]
    }
}
