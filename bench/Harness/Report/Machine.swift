/// On what, when and by which command a run was made: the first line of its JSON.
import Glibc
import LocalServers

struct Machine: Codable, Equatable {
    var cores: Int
    var processor: String
    var kernel: String
    var memoryGB: Double
    /// UTC, `2026-11-21`.
    var date: String
    /// UTC, `10:45:03`.
    var time: String
    /// The tree's git revision, with `+` where it has changes; nil outside a repository.
    var revision: String?
    var command: String

    private enum CodingKeys: String, CodingKey {
        case cores, processor, kernel, date, time, revision, command
        case memoryGB = "memory_gb"
    }

    /// `bench/run` with the arguments that change what is measured; where its output goes is nobody else's business.
    static func command(_ arguments: some Sequence<String>) -> String {
        let outputs: Set = ["--json", "--charts", "--readme", "--keep"]
        var kept = ["bench/run"]
        var isValue = false
        for argument in arguments {
            if !isValue, !outputs.contains(where: { argument == $0 || argument.hasPrefix($0 + "=") }) {
                kept.append(argument)
            }
            isValue = !isValue && outputs.contains(argument)
        }
        return kept.joined(separator: " ")
    }

    /// This machine, now. `command` is what the user typed.
    static func present(command: String) -> Machine {
        var names = utsname()
        uname(&names)
        let kernel = withUnsafeBytes(of: &names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        var moment = Glibc.time(nil)
        var parts = tm()
        gmtime_r(&moment, &parts)
        func two(_ value: Int32) -> String { (value < 10 ? "0" : "") + "\(value)" }
        let cpu = field("model name", of: "/proc/cpuinfo", separator: ":")
        let memory = field("MemTotal", of: "/proc/meminfo", separator: ":").split(separator: " ").first
        return Machine(
            cores: sysconf(Int32(_SC_NPROCESSORS_ONLN)), processor: cpu.isEmpty ? "unknown" : cpu,
            kernel: "Linux \(kernel)", memoryGB: (Double(memory ?? "0") ?? 0) * 1_024 / 1e9,
            date: "\(parts.tm_year + 1_900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))",
            time: "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))", revision: revision(),
            command: command)
    }

    private static func revision() -> String? {
        guard let result = try? Command.run(["git", "rev-parse", "--short", "HEAD"]), result.status?.isSuccess == true
        else { return nil }
        let hash = result.output.split(separator: "\n").first.map(String.init) ?? ""
        let changes = (try? Command.run(["git", "status", "--porcelain", "--untracked-files=no"]))?.output ?? ""
        return hash + (changes.isEmpty ? "" : "+")
    }

    private static func field(_ name: String, of path: String, separator: Character) -> String {
        for line in ProcFile.read(path).split(separator: "\n") where line.hasPrefix(name) {
            let value = line.split(separator: separator, maxSplits: 1).dropFirst().first ?? ""
            return String(value.drop { $0 == " " || $0 == "\t" })
        }
        return ""
    }
}
