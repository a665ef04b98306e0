/// Where a server's time goes: Linux perf samples it for a few seconds in a run of its own, so that the measured one is
/// undisturbed. Without perf the threads' times say it more coarsely.
import Glibc
import LocalServers

/// Samples running processes.
struct PerfProfile {
    private let recorder: ChildProcess
    private let file: String
    private let directory: TemporaryDirectory

    /// Whether perf is installed and may sample other processes here.
    static let isAvailable: Bool = {
        guard let directory = try? TemporaryDirectory(prefix: "drover-perf") else { return false }
        defer { directory.remove() }
        let probe = try? Command.run(
            ["perf", "record", "-q", "-o", "\(directory.path)/probe", "-p", "\(getpid())", "--", "true"])
        return probe?.status?.isSuccess == true
    }()

    /// Begins to sample `processes`, 500 times a second of their CPU time, with call chains.
    init(_ processes: [Int32]) throws {
        directory = try TemporaryDirectory(prefix: "drover-perf")
        file = "\(directory.path)/samples"
        recorder = try ChildProcess(
            [
                "perf", "record", "-q", "-F", "500", "-g", "-o", file, "-p",
                processes.map(String.init).joined(separator: ","),
            ], output: .captured)
    }

    /// Ends the sampling.
    func stop() { recorder.signal(SIGINT) }

    /// What part of the samples each part of the system had, largest first; of one `thread`, or of all. Ask once, after
    /// `stop`.
    func parts(thread: Int32? = nil) throws -> [ProfileRecord.Part] {
        defer { directory.remove() }
        recorder.wait(.seconds(20))
        let text = try Command.runChecked(
            ["perf", "script", "--no-inline", "--no-demangle", "-i", file, "-F", "comm,tid,ip,sym,dso"],
            within: .seconds(60))
        return PerfSamples(text, thread: thread).parts
    }
}

/// `perf script`'s text, counted by what each sample was doing.
struct PerfSamples {
    private(set) var counts: [String: Int] = [:]

    /// Samples are apart by empty lines: a head, then one frame a line, the innermost first.
    init(_ text: String, thread: Int32? = nil) {
        var frames: [CallFrame] = []
        var isWanted = true
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty {
                if !frames.isEmpty { counts[SamplePlace.name(of: frames), default: 0] += 1 }
                frames = []
            } else if let first = line.first, first != "\t", first != " " {
                // The head: a name, which may have spaces in it, and the thread's id.
                isWanted = thread == nil || line.split(separator: " ").last.flatMap { Int32($0) } == thread
            } else if isWanted, let frame = CallFrame(line) {
                frames.append(frame)
            }
        }
        if !frames.isEmpty { counts[SamplePlace.name(of: frames), default: 0] += 1 }
    }

    var parts: [ProfileRecord.Part] {
        let all = counts.values.reduce(0, +)
        return counts.map { ProfileRecord.Part(name: $0.key, share: Double($0.value) / Double(max(1, all))) }
            .sorted { ($1.share, $0.name) < ($0.share, $1.name) }
    }
}
