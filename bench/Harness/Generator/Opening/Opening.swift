/// Getting in, step by step, without ever blocking: one connection's way from `connect` to the last answer.
import Glibc

/// A connection that is being opened. Its owner closes the descriptor where it does not come to its end.
struct Opening {
    let descriptor: Int32
    private let steps: [OpeningStep]
    private var step = 0
    private var isConnected = false
    /// Bytes of the present step that are sent.
    private var sent = 0
    /// What is read of the present message.
    private var message: [UInt8] = []
    private var extent: Framing.Extent?

    /// How far it is.
    enum Progress {
        /// Call `advance` again when there is input, or room where `wantsToWrite`.
        case going
        case done
    }

    init(_ steps: [OpeningStep], at server: ServerAddress, receiveBuffer: Int32? = nil) throws(BenchError) {
        self.steps = steps
        descriptor = try Socket.begin(to: server, receiveBuffer: receiveBuffer)
    }

    var wantsToWrite: Bool { !isConnected || (step < steps.count && sent < steps[step].send.count) }
    /// Steps that are finished: at a WebSocket server the first is the handshake.
    var finishedSteps: Int { step }

    /// Goes as far as it can without waiting.
    mutating func advance() throws(BenchError) -> Progress {
        if !isConnected {
            var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&state, 1, 0) == 1 else { return .going }
            let code = Socket.error(descriptor)
            guard code == 0 else {
                throw BenchError("cannot connect: \(String(cString: strerror(code))). Is the server running?")
            }
            isConnected = true
        }
        while step < steps.count {
            guard try write(), try awaitAnswer() else { return .going }
            step += 1
            sent = 0
        }
        return .done
    }

    /// Opens one connection and waits for it, at most ten seconds.
    static func play(_ steps: [OpeningStep], at server: ServerAddress) throws(BenchError) -> Int32 {
        var opening = try Opening(steps, at: server)
        let clock = RunClock()
        let deadline = clock.now + 10_000_000_000
        do throws(BenchError) {
            while try opening.advance() == .going {
                guard clock.now < deadline else { throw BenchError("\(server) does not answer within 10 s") }
                let events = opening.wantsToWrite ? POLLIN | POLLOUT : POLLIN
                var state = pollfd(fd: opening.descriptor, events: Int16(events), revents: 0)
                _ = poll(&state, 1, 100)
            }
        } catch {
            close(opening.descriptor)
            throw error
        }
        return opening.descriptor
    }

    /// Whether all of the step is sent.
    private mutating func write() throws(BenchError) -> Bool {
        while sent < steps[step].send.count {
            let count = steps[step].send.withUnsafeBytes {
                send(descriptor, $0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                if errno == EAGAIN || errno == EINTR { return false }
                throw BenchError("the server does not take the greeting: \(Socket.reason())")
            }
            sent += count
        }
        return true
    }

    /// Whether the answer that the step waits for has come. Reads not a byte beyond it.
    private mutating func awaitAnswer() throws(BenchError) -> Bool {
        while try readMessage() {
            let expected = steps[step]
            let (kind, header) = (extent?.kind ?? 0, extent?.header ?? 0)
            defer {
                extent = nil
                message.removeAll(keepingCapacity: true)
            }
            if expected.kind ?? kind == kind, Self.contains(message[header...], expected.containing) { return true }
            if expected.framing == .webSocket, kind == 8 {
                throw BenchError("the server closed the WebSocket: \(Self.text(message.dropFirst(header + 2)))")
            }
            // The head of a failure says most; answers to questions nobody asked do not come over HTTP.
            if expected.framing == .http, kind >= 200 {
                let line = message.prefix { $0 != UInt8(ascii: "\r") }
                throw BenchError("the handshake was refused: \(Self.text(line))")
            }
        }
        return false
    }

    /// Whether a whole message is read.
    private mutating func readMessage() throws(BenchError) -> Bool {
        while true {
            if let extent {
                let missing = extent.header + extent.length - message.count
                if missing == 0 { return true }
                guard try receive(missing, flags: 0) > 0 else { return false }
            } else {
                // Looked at first, taken later, so that what follows the header stays where it is.
                let seen = try receive(4_096, flags: Int32(MSG_PEEK))
                guard seen > 0 else { return false }
                extent = message.withUnsafeBytes { steps[step].framing.extent($0) }
                message.removeAll(keepingCapacity: true)
                guard let extent else {
                    if seen == 4_096 { throw BenchError("the server's answer has no end of its header") }
                    return false
                }
                if extent.header > 0 { _ = try receive(extent.header, flags: 0) }
            }
        }
    }

    /// Appends up to `count` bytes to the message; 0 where none are there.
    private mutating func receive(_ count: Int, flags: Int32) throws(BenchError) -> Int {
        let start = message.count
        message.append(contentsOf: repeatElement(0, count: count))
        let received = message.withUnsafeMutableBytes {
            recv(descriptor, $0.baseAddress.unsafelyUnwrapped + start, count, flags)
        }
        message.removeLast(count - max(0, received))
        if received > 0 { return received }
        if received < 0, errno == EAGAIN || errno == EINTR { return 0 }
        throw BenchError("the server ended the connection: \(received == 0 ? "no more bytes" : Socket.reason())")
    }

    private static func contains(_ bytes: ArraySlice<UInt8>, _ what: [UInt8]) -> Bool {
        guard !what.isEmpty else { return true }
        guard bytes.count >= what.count else { return false }
        return (bytes.startIndex...(bytes.endIndex - what.count)).contains { bytes[$0...].starts(with: what) }
    }

    private static func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
}
