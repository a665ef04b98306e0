/// What a process has used, from /proc: nanoseconds of CPU by thread, resident memory.
import Glibc

/// CPU time of a process at one moment.
struct ProcessUsage {
    /// Nanoseconds by thread id, from `/proc/PID/task/TID/schedstat` (the scheduler's own account, finer than the
    /// 10 ms ticks of `stat`).
    private(set) var threads: [Int32: Int64] = [:]
    /// utime + stime of `/proc/PID/stat`, in clock ticks of 10 ms, by thread and by whether it was spent in the kernel.
    private(set) var userTicks: Int64 = 0
    private(set) var systemTicks: Int64 = 0
    private let process: Int32

    /// What `process` has used until now; zero where it has ended.
    init(_ process: Int32) {
        self.process = process
        for name in ProcFile.entries("/proc/\(process)/task") {
            guard let thread = Int32(name) else { continue }
            let text = ProcFile.read("/proc/\(process)/task/\(thread)/schedstat")
            if let first = text.split(separator: " ").first, let time = Int64(first) { threads[thread] = time }
        }
        let fields = ProcFile.statFields("/proc/\(process)/stat")
        if fields.count > 12 {
            userTicks = Int64(fields[11]) ?? 0
            systemTicks = Int64(fields[12]) ?? 0
        }
    }

    /// The same of `process` and all processes below it, a server's workers for instance.
    init(tree process: Int32) {
        self.init(process)
        for child in ProcFile.children(of: process) {
            let usage = ProcessUsage(tree: child)
            threads.merge(usage.threads) { $1 }
            userTicks += usage.userTicks
            systemTicks += usage.systemTicks
        }
    }

    /// Seconds of all threads.
    var seconds: Double { Double(threads.values.reduce(0, +)) / 1e9 }

    /// Seconds of the first thread, which is the gateway's loop.
    var mainThreadSeconds: Double { Double(threads[process] ?? 0) / 1e9 }

    /// The part that was spent in user space, from the ticks.
    var userSeconds: Double { Double(userTicks) / 100 }
}

/// Postgres' CPU: every connection is a process of its own, and what ended ones used is with the postmaster.
enum PostgresUsage {
    /// Seconds of the postmaster, its ended children and its present ones. Ticks of 10 ms.
    static func seconds(_ postmaster: Int32) -> Double {
        var ticks: Int64 = 0
        let own = ProcFile.statFields("/proc/\(postmaster)/stat")
        if own.count > 14 { for field in 11...14 { ticks += Int64(own[field]) ?? 0 } }
        let seconds = Double(ticks) / 100
        return ProcFile.children(of: postmaster).reduce(seconds) { $0 + ProcessUsage($1).seconds }
    }
}

/// Resident memory of a process, in KiB.
struct MemoryUsage {
    /// `VmRSS` of /proc/PID/status.
    let residentKiB: Int
    /// `Pss` of /proc/PID/smaps_rollup: shared pages are divided among those who share them.
    let proportionalKiB: Int

    init(_ process: Int32) {
        residentKiB = Self.value("VmRSS:", in: ProcFile.read("/proc/\(process)/status"))
        proportionalKiB = Self.value("Pss:", in: ProcFile.read("/proc/\(process)/smaps_rollup"))
    }

    /// The most that `process` has had in memory at once, `VmHWM`; 0 where it has ended.
    static func peakKiB(_ process: Int32) -> Int {
        value("VmHWM:", in: ProcFile.read("/proc/\(process)/status"))
    }

    private static func value(_ name: String, in text: String) -> Int {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        return 0
    }
}

/// How busy the whole machine was: tells a quiet run from one among neighbours.
struct MachineUsage {
    /// Busy seconds of all cores since start-up.
    let busySeconds: Double

    init() {
        let fields = ProcFile.read("/proc/stat").split(separator: "\n").first?.split(separator: " ") ?? []
        // cpu user nice system idle iowait irq softirq steal (proc(5))
        let busy = [1, 2, 3, 6, 7].reduce(0) { $0 + (fields.count > $1 ? Int64(fields[$1]) ?? 0 : 0) }
        busySeconds = Double(busy) / 100
    }
}

enum ProcFile {
    /// A small file's text; empty where it cannot be read.
    static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: text, as: UTF8.self) }
            text.append(contentsOf: buffer[..<count])
        }
    }

    /// The fields of a `stat` file behind the name in parentheses: 0 is the state, 1 the parent, 11 utime, 12 stime.
    static func statFields(_ path: String) -> [Substring] {
        let text = read(path)
        guard let end = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: end)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
    }

    /// The processes whose parent is `process`. Not every kernel has a list of them, so all are asked.
    static func children(of process: Int32) -> [Int32] {
        entries("/proc").compactMap { Int32($0) }.filter { candidate in
            let fields = statFields("/proc/\(candidate)/stat")
            return fields.count > 1 && Int32(fields[1]) == process
        }
    }

    /// The names in a directory.
    static func entries(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }
}
