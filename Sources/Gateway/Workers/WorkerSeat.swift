/// What a worker inherits from its supervisor, and how it learns of that: a variable of its environment.
import Glibc

/// A worker's place among the workers.
public struct WorkerSeat: Sendable, Equatable {
    static let variable = "DROVER_WORKER_SEAT"
    /// Raised where a supervisor and a worker of different versions would not understand each other.
    private static let version = "1"

    /// From 0.
    public let number: Int
    let count: Int
    /// The way to the supervisor.
    let channel: Int32
    /// Listening sockets of all workers; which are accepted on is the supervisor's to say.
    let sockets: [Int32]

    init(number: Int, count: Int, channel: Int32, sockets: [Int32]) {
        (self.number, self.count, self.channel, self.sockets) = (number, count, channel, sockets)
    }

    /// As it is in the environment: `VERSION NUMBER COUNT CHANNEL SOCKET…`.
    var text: String {
        ([Self.version] + ([number, count, Int(channel)] + sockets.map { Int($0) }).map(String.init))
            .joined(separator: " ")
    }

    /// Nil where no supervisor started this process. Its descriptors are closed on exec from here on.
    public init?(environment: [String: String]) throws(ConfigurationError) {
        guard let text = environment[Self.variable] else { return nil }
        let parts = text.split(separator: " ")
        let numbers = parts.dropFirst().compactMap { Int32($0) }
        guard parts.first == Self.version[...], numbers.count == parts.count - 1, numbers.count >= 4,
            numbers.count == 3 + Int(numbers[1]), numbers[0] >= 0, numbers[0] < numbers[1]
        else {
            throw ConfigurationError(
                description: "\(Self.variable) is not of this version: restart the supervisor, which has another")
        }
        self.init(
            number: Int(numbers[0]), count: Int(numbers[1]), channel: numbers[2], sockets: Array(numbers.dropFirst(3)))
        for descriptor in [channel] + sockets {
            guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
                throw ConfigurationError(
                    description: "\(Self.variable) is for workers, which drover serve --workers starts; unset it")
            }
        }
        unsetenv(Self.variable)
    }

    /// The configuration of this worker: its journal is its own.
    func applied(to configuration: Configuration) -> Configuration {
        var configuration = configuration
        configuration.journalDirectory = Self.journal(of: number, in: configuration.journalDirectory)
        return configuration
    }

    /// The first worker's journal is the directory itself, so that one process finds what many have left, and the other
    /// way round.
    static func journal(of number: Int, in directory: String) -> String {
        number == 0 ? directory : "\(directory)/\(journalPrefix)\(number)"
    }

    static let journalPrefix = "worker-"
}
