/// HTTP/1.1 responses, read from a stream (RFC 9112).

/// A response.
public struct HTTPResponse: Sendable {
    /// The status code.
    public internal(set) var status: Int
    /// In the order they came, names as they were written.
    public internal(set) var headers: [(name: String, value: String)]
    /// The whole body, transfer coding removed.
    public internal(set) var body: [UInt8]

    /// The first header of that name, whatever its case.
    public func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name.lowercased() == name }?.value
    }

    /// The body as UTF-8 text.
    public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Takes a response in whatever pieces it comes.
struct HTTPResponseParser {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private enum Phase {
        case head
        case fixedBody(left: Int)
        case chunkSize
        case chunk(left: Int)
        case chunkEnd
        case trailers
        case untilEnd
        case done
    }

    /// Complete once `isDone`; its head is valid before.
    private(set) var response: HTTPResponse?
    private var phase = Phase.head
    private var line: [UInt8] = []
    private var headBytes = 0
    private let maximumBodyBytes: Int
    private let hasNoBody: Bool

    /// The longest head that is taken, all its lines together.
    static let maximumHeadBytes = 64 << 10

    init(hasNoBody: Bool = false, maximumBodyBytes: Int = 256 << 20) {
        self.hasNoBody = hasNoBody
        self.maximumBodyBytes = maximumBodyBytes
    }

    var isDone: Bool {
        if case .done = phase { true } else { false }
    }

    /// True where the body goes on until the connection ends.
    var endsWithConnection: Bool {
        if case .untilEnd = phase { true } else { false }
    }

    /// Takes bytes; how many belonged to this response once it is complete, else nil.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, isUpgrade: Bool = false) throws -> Int? {
        var index = 0
        while index < bytes.count, !isDone {
            switch phase {
            case .head, .chunkSize, .chunkEnd, .trailers:
                let byte = bytes[index]
                index += 1
                headBytes += 1
                guard headBytes <= Self.maximumHeadBytes else { throw Failure(description: "its head has no end") }
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    continue
                }
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                let text = String(decoding: line, as: UTF8.self)
                line.removeAll(keepingCapacity: true)
                try takeLine(text, isUpgrade)
            case .fixedBody(let left):
                let count = try takeBody(bytes[index...], atMost: left)
                index += count
                phase = left == count ? .done : .fixedBody(left: left - count)
            case .chunk(let left):
                let count = try takeBody(bytes[index...], atMost: left)
                index += count
                phase = left == count ? .chunkEnd : .chunk(left: left - count)
            case .untilEnd: index += try takeBody(bytes[index...], atMost: .max)
            case .done: break
            }
        }
        return isDone ? index : nil
    }

    /// The connection has ended; completes a body that has no other end.
    mutating func feedEnd() {
        if case .untilEnd = phase { phase = .done }
    }

    private mutating func takeBody(
        _ bytes: Slice<UnsafeRawBufferPointer>, atMost limit: Int
    ) throws -> Int {
        let part = bytes.prefix(limit)
        guard (response?.body.count ?? 0) + part.count <= maximumBodyBytes else {
            throw Failure(description: "its body is above \(maximumBodyBytes) bytes")
        }
        response?.body.append(contentsOf: part)
        return part.count
    }

    private mutating func takeLine(_ text: String, _ isUpgrade: Bool) throws {
        switch phase {
        case .head:
            guard response != nil else {
                let parts = text.split(separator: " ", maxSplits: 2)
                guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
                    throw Failure(description: "no HTTP/1.1 status line")
                }
                response = HTTPResponse(status: status, headers: [], body: [])
                return
            }
            if text.isEmpty { return try endHead(isUpgrade) }
            guard let colon = text.firstIndex(of: ":") else { throw Failure(description: "a header without a colon") }
            let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            response?.headers.append((String(text[..<colon]), String(value)))
        case .chunkSize:
            guard let size = Int(text.prefix { $0 != ";" && $0 != " " }, radix: 16), size >= 0 else {
                throw Failure(description: "a chunk without a size")
            }
            headBytes = 0
            phase = size == 0 ? .trailers : .chunk(left: size)
        case .chunkEnd: phase = .chunkSize
        case .trailers: if text.isEmpty { phase = .done }
        default: break
        }
    }

    private mutating func endHead(_ isUpgrade: Bool) throws {
        guard let response else { return }
        if response.status == 101 && isUpgrade || hasNoBody || response.status == 204 || response.status == 304 {
            phase = .done
        } else if (100..<200).contains(response.status) {
            // An interim response; the real one follows.
            self.response = nil
        } else if response.header("Transfer-Encoding")?.lowercased().hasSuffix("chunked") == true {
            phase = .chunkSize
        } else if let text = response.header("Content-Length") {
            guard let length = Int(text), length >= 0 else { throw Failure(description: "a wrong Content-Length") }
            phase = length == 0 ? .done : .fixedBody(left: length)
        } else {
            phase = .untilEnd
        }
    }
}
