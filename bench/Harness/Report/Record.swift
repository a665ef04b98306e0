/// The lines of a run's JSON: the machine first, then runs, figures, where the time went, curves and remarks.
import FoundationEssentials

enum Record: Equatable {
    case machine(Machine)
    case run(RunRecord)
    case figure(Figure)
    case profile(ProfileRecord)
    case curve(Curve)
    case note(String)
}

/// What one run did and cost.
struct RunRecord: Codable, Equatable {
    var name: String
    /// Length of the measured window.
    var seconds: Double
    var pings: Int
    var deliveries: Int
    var serverCPUSeconds: Double
    /// Oldest first: of the gateway loop, journal, history.
    var threadCPUSeconds: [Double]
    var serverUserShare: Double
    var redisCPUSeconds: Double
    var postgresCPUSeconds: Double
    /// The generator's part of its core.
    var generatorShare: Double
    /// Cores that somebody else used meanwhile.
    var otherCores: Double
    var histograms: [HistogramRecord]
    /// Why the generator was the limit; nil where it was not.
    var generatorLimit: String?
}

/// A whole histogram, as its values at percentiles.
struct HistogramRecord: Codable, Equatable {
    var name: String
    var count: Int
    var percentiles: [Double]
    var milliseconds: [Double]

    /// Enough of them that a curve can be drawn down to one in 100,000.
    static let levels: [Double] =
        Array(stride(from: 0.0, through: 95, by: 5))
        + [97.5, 98, 99, 99.25, 99.5, 99.75, 99.9, 99.95, 99.975, 99.99, 99.995, 99.999, 100]

    init(_ name: String, _ latencies: Latencies) {
        self.name = name
        count = latencies.count
        percentiles = Self.levels
        milliseconds = Self.levels.map(latencies.milliseconds)
    }
}

/// Where the time of a server goes in one kind of run.
struct ProfileRecord: Codable, Equatable {
    struct Part: Codable, Equatable {
        var name: String
        /// Of all samples, or of all CPU time: 0 to 1.
        var share: Double
    }

    /// The goals whose figures it explains.
    var goals: [String]
    /// Of what the parts are parts, for instance the gateway's CPU.
    var of: String
    var parts: [Part]

    /// `of the gateway's CPU: kernel send 25 %, wake-ups 24 %, …`; the largest eight, none under 2 %.
    var text: String {
        let shown = parts.filter { $0.share >= 0.02 }.prefix(8).map { "\($0.name) \(decimals($0.share * 100, 0)) %" }
        return "of \(of): " + shown.joined(separator: ", ")
    }
}

/// A figure over a size.
struct Curve: Codable, Equatable {
    struct Point: Codable, Equatable {
        var x: Double
        var y: Double
    }

    var name: String
    /// What x counts.
    var over: String
    var unit: String
    /// The goal that asks for it to be flat; nil where none does.
    var goal: String?
    var points: [Point]
    /// The bare floor at some of the sizes; empty where none was measured.
    var floor: [Point] = []

    /// The costliest point beyond the first, beside the first.
    var growth: Double? { Self.growth(points) }
    /// The same of the floor: what the kernel alone costs more at that size.
    var floorGrowth: Double? { Self.growth(floor) }

    private static func growth(_ points: [Point]) -> Double? {
        guard let first = points.first, first.y > 0, let most = points.dropFirst().map(\.y).max() else { return nil }
        return most / first.y
    }
}

extension Record: Codable {
    private enum Kind: String, Codable {
        case machine, run, figure, profile, curve, note
    }

    private enum CodingKeys: String, CodingKey {
        case kind, text
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self =
            switch try values.decode(Kind.self, forKey: .kind) {
            case .machine: .machine(try Machine(from: decoder))
            case .run: .run(try RunRecord(from: decoder))
            case .figure: .figure(try Figure(from: decoder))
            case .profile: .profile(try ProfileRecord(from: decoder))
            case .curve: .curve(try Curve(from: decoder))
            case .note: .note(try values.decode(String.self, forKey: .text))
            }
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        func tag(_ kind: Kind, _ body: some Encodable) throws {
            try values.encode(kind, forKey: .kind)
            try body.encode(to: encoder)
        }
        switch self {
        case .machine(let machine): try tag(.machine, machine)
        case .run(let run): try tag(.run, run)
        case .figure(let figure): try tag(.figure, figure)
        case .profile(let profile): try tag(.profile, profile)
        case .curve(let curve): try tag(.curve, curve)
        case .note(let text):
            try values.encode(Kind.note, forKey: .kind)
            try values.encode(text, forKey: .text)
        }
    }
}

/// Reads and writes those lines.
enum RecordLines {
    static func line(_ record: Record) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(record), as: UTF8.self) + "\n"
    }

    /// The records of a file. A line that is none is an error that names it.
    static func read(_ path: String) throws -> [Record] {
        let text = ProcFile.read(path)
        guard !text.isEmpty else {
            throw BenchError("\(path) cannot be read, or is empty; bench/run --json \(path) makes it")
        }
        return try text.split(separator: "\n").enumerated().map { index, line in
            do {
                return try JSONDecoder().decode(Record.self, from: Data(line.utf8))
            } catch { throw BenchError("\(path), line \(index + 1): not a line of bench/run --json") }
        }
    }
}
