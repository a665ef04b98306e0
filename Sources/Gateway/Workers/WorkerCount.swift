/// How many processes serve the address.
import Glibc

/// The setting `workers`: a number, or as many as there are cores to use.
struct WorkerCount: Equatable {
    /// From 1 to 256.
    let number: Int

    private static let range = 1...256

    /// Reads the setting.
    init(_ setting: String) throws(ConfigurationError) {
        if setting == "auto" {
            number = min(Self.usableCores(), Self.range.upperBound)
        } else if let number = Int(setting), Self.range.contains(number) {
            self.number = number
        } else {
            throw ConfigurationError(
                description: "workers is a number from 1 to \(Self.range.upperBound) or auto, not \"\(setting)\"")
        }
    }

    /// Cores that this process may run on, or as many as its control groups give it the time of.
    private static func usableCores() -> Int {
        let allowed = read("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") } ?? ""
        let cores = bits(ofMask: allowed.dropFirst("Cpus_allowed:".count))
        let group = read("/proc/self/cgroup").split(separator: "\n").first { $0.hasPrefix("0::") }?.dropFirst(3) ?? "/"
        let limits = groups(from: group).compactMap { quota(read("/sys/fs/cgroup\($0)/cpu.max")) }
        return max(1, ([cores] + limits).min() ?? 1)
    }

    /// How many bits a mask has as /proc/self/status writes it, in hexadecimal with commas.
    static func bits(ofMask mask: Substring) -> Int {
        mask.reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    }

    /// A control group and those above it (cgroups(7), version 2): a limit of any holds.
    static func groups(from path: Substring) -> [String] {
        var path = path.drop { $0 == "/" }
        var groups: [String] = []
        while !path.isEmpty {
            groups.append("/\(path)")
            path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
        }
        return groups + [""]
    }

    /// What `cpu.max` says, `QUOTA PERIOD` in microseconds, in cores; a part of a core is one, nil is no limit.
    static func quota(_ text: String) -> Int? {
        let numbers = text.split { $0 == " " || $0 == "\n" }.map { Int($0) }
        guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], period > 0 else { return nil }
        return max(1, (quota + period - 1) / period)
    }

    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

extension Configuration {
    /// How many processes serve the address.
    public var workerCount: Int { (try? WorkerCount(workers).number) ?? 1 }
}
