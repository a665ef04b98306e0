/// Says where the time of a missed goal goes, from a run beside the measured one.
import LocalServers

struct Explanation {
    let stage: Stage
    let report: Report

    /// What is sampled.
    enum Subject {
        case gateway
        /// Its first thread alone: what a delivery costs is reckoned from that.
        case loop
        case redis

        var name: String {
            switch self {
            case .gateway: "the gateway's CPU"
            case .loop: "the loop's CPU"
            case .redis: "Redis' CPU"
            }
        }
    }

    /// Seconds that are sampled.
    static let seconds = 3.0

    /// Runs `load` once more, with perf at the side, if one of `goals` was measured and missed. Without perf the threads
    /// of `measurement` must do.
    func explain(
        _ goals: [String], _ measurement: Measurement?, of subject: Subject = .gateway, again load: () -> Load
    ) throws {
        let missed = goals.filter { report.misses([$0]) }
        guard !missed.isEmpty else { return }
        guard PerfProfile.isAvailable else {
            if subject != .redis, let measurement {
                report.explain(missed, of: Subject.gateway.name, Self.threads(measurement))
            }
            return
        }
        report.progress("a goal is missed: where \(subject.name) goes …")
        guard let process = subject == .redis ? stage.redis.processID : stage.gateway?.processID else { return }
        var profile: PerfProfile?
        var failure: (any Error)?
        _ = try load().run(warmUp: 1, seconds: Self.seconds) {
            if let profile { return profile.stop() }
            do { profile = try PerfProfile([process]) } catch { failure = error }
        }
        if let failure { report.note("perf: \(failure)") }
        if let profile {
            report.explain(missed, of: subject.name, try profile.parts(thread: subject == .loop ? process : nil))
        }
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
