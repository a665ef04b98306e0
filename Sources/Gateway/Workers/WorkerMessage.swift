/// What a supervisor and its workers say to each other.

/// A message, in either direction.
enum WorkerMessage: Equatable {
    /// What is asked of every worker.
    enum Topic: UInt8 {
        /// `/metrics`, as `MetricsFormat.exchange`.
        case metrics
        /// `/readyz`, as `ReadinessReport.text`.
        case readiness
    }

    /// Worker: it can serve.
    case ready
    /// Worker: it is ending, and accepts nothing more.
    case stopping
    /// Supervisor: accept on the socket of this number.
    case accept(Int)
    /// Supervisor: somebody else accepts on it.
    case leave(Int)
    /// A question, from either side, with a number of the asker's.
    case question(UInt32, Topic)
    /// Its answer.
    case answer(UInt32, [UInt8])

    /// The longest that is believed, in bytes; a page of metrics has some tens of thousands.
    static let maximumBytes = 16 << 20
    /// Length, kind, number.
    private static let headBytes = 9

    /// The message as it is sent: the length of what follows the length as four bytes, the lowest first, then a byte
    /// that says what it is, a number of four bytes, and a question's topic or an answer's text.
    var bytes: [UInt8] {
        let (kind, number, rest): (UInt8, UInt32, [UInt8]) =
            switch self {
            case .ready: (0, 0, [])
            case .stopping: (1, 0, [])
            case .accept(let socket): (2, UInt32(socket), [])
            case .leave(let socket): (3, UInt32(socket), [])
            case .question(let number, let topic): (4, number, [topic.rawValue])
            case .answer(let number, let text): (5, number, text)
            }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headBytes + rest.count)
        Self.append(UInt32(Self.headBytes - 4 + rest.count), to: &bytes)
        bytes.append(kind)
        Self.append(number, to: &bytes)
        return bytes + rest
    }

    /// Takes the first message off `bytes`; nil where it is not whole yet. Throws where it is none.
    static func take(from bytes: inout ArraySlice<UInt8>) throws(WorkerMessageError) -> WorkerMessage? {
        guard bytes.count >= headBytes else { return nil }
        let start = bytes.startIndex
        let length = Int(number(bytes[start...]))
        guard (headBytes - 4...maximumBytes).contains(length) else { throw WorkerMessageError() }
        guard bytes.count >= 4 + length else { return nil }
        let number = number(bytes[(start + 5)...])
        let rest = bytes[(start + headBytes)..<(start + 4 + length)]
        let message: WorkerMessage
        switch bytes[start + 4] {
        case 0: message = .ready
        case 1: message = .stopping
        case 2: message = .accept(Int(number))
        case 3: message = .leave(Int(number))
        case 4:
            guard let topic = rest.first.flatMap({ Topic(rawValue: $0) }) else { throw WorkerMessageError() }
            message = .question(number, topic)
        case 5: message = .answer(number, Array(rest))
        default: throw WorkerMessageError()
        }
        bytes = bytes[(start + 4 + length)...]
        return message
    }

    private static func append(_ number: UInt32, to bytes: inout [UInt8]) {
        for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Something else than a message of this version came.
struct WorkerMessageError: Error {}
