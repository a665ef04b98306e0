/// A small server on the test's own loop: raw bytes, and WebSockets on top, so that a test sees both sides in order.
import DroverClient
import EventLoop
import Glibc
import Testing

/// Listens on a free loopback port and hands every connection's bytes to `onBytes`.
final class TestListener {
    let loop: EventLoop
    let port: UInt16
    var onConnect: (TestConnection) -> Void = { _ in }
    var onBytes: (TestConnection, UnsafeRawBufferPointer) -> Void = { _, _ in }
    private(set) var connections: [TestConnection] = []
    private let descriptor: Int32
    private var poll: LoopPoll?

    init(loop: EventLoop) throws {
        self.loop = loop
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, size) | listen(descriptor, 64) | getsockname(descriptor, name, &size)
            }
        }
        try #require(status == 0)
        self.descriptor = descriptor
        port = UInt16(bigEndian: address.sin_port)
        let poll = try LoopPoll(loop: loop, descriptor: descriptor) { [unowned self] _ in accept() }
        poll.watch(.readable)
        self.poll = poll
    }

    var address: String { "http://127.0.0.1:\(port)" }

    func close() {
        for connection in connections { connection.drop() }
        connections = []
        poll?.close()
        if poll != nil { Glibc.close(descriptor) }
        poll = nil
    }

    private func accept() {
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted >= 0, let connection = try? TestConnection(listener: self, descriptor: accepted) else { return }
        connections.append(connection)
        onConnect(connection)
    }

    /// Runs the loop until `condition` holds; a failure of the test where that does not come within ten seconds.
    func run(until condition: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        let deadline = ContinuousClock.now + .seconds(10)
        let alarm = LoopTimer(loop: loop) {}
        alarm.start(afterMilliseconds: 20, everyMilliseconds: 20)
        defer { alarm.close() }
        while !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("the condition did not come about", sourceLocation: sourceLocation)
                return
            }
            loop.runOnce()
        }
    }
}

/// One accepted connection; a WebSocket once its request's head has been answered.
final class TestConnection {
    var request = ""
    var reader: WebSocketMessageReader?
    private var hasSentClose = false
    private let descriptor: Int32
    private var poll: LoopPoll?

    fileprivate init(listener: TestListener, descriptor: Int32) throws {
        self.descriptor = descriptor
        poll = try LoopPoll(loop: listener.loop, descriptor: descriptor) { [unowned listener, unowned self] _ in
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 {
                buffer.withUnsafeBytes { listener.onBytes(self, UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            } else if count == 0 || errno != EAGAIN {
                drop()
            }
        }
        poll?.watch(.readable)
    }

    var isOpen: Bool { poll != nil }

    func write(_ bytes: UnsafeRawBufferPointer) {
        var sent = 0
        while isOpen, sent < bytes.count {
            let count = Glibc.send(descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            if count > 0 {
                sent += count
            } else {
                // The test's other side reads on the same loop; larger writes than the kernel takes are not for here.
                return
            }
        }
    }

    func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    func send(_ text: String) { send(.text, Array(text.utf8)) }

    func send(_ opcode: WebSocketOpcode, _ payload: [UInt8], isFinal: Bool = true) {
        let writer = ByteWriter()
        payload.withUnsafeBytes { WebSocketFrame.write(opcode, $0, mask: nil, isFinal: isFinal, to: writer) }
        write(writer.bytes)
    }

    func close(_ code: UInt16) {
        hasSentClose = true
        send(.close, [UInt8(code >> 8), UInt8(code & 0xFF)])
    }

    /// Says goodbye back, where it was not we who began, and ends the connection.
    fileprivate func answerClose(_ payload: [UInt8]) {
        if !hasSentClose { send(.close, payload) }
        drop()
    }

    /// Ends the connection as a lost network would.
    func drop() {
        guard isOpen else { return }
        poll?.close()
        poll = nil
        Glibc.close(descriptor)
    }
}

/// WebSockets on a listener.
final class TestWebSocketServer {
    let listener: TestListener
    var onOpen: (TestConnection) -> Void = { _ in }
    var onText: (TestConnection, String) -> Void = { _, _ in }
    var onControl: (TestConnection, WebSocketOpcode, [UInt8]) -> Void = { _, _, _ in }
    /// The answer to a handshake in place of 101.
    var refusal: String?
    private(set) var opened = 0

    init(loop: EventLoop) throws {
        listener = try TestListener(loop: loop)
        listener.onBytes = { [unowned self] connection, bytes in received(connection, bytes) }
    }

    private func received(_ connection: TestConnection, _ bytes: UnsafeRawBufferPointer) {
        guard connection.reader == nil else {
            do {
                try connection.reader?.read(bytes) { message in
                    if message.opcode.isControl {
                        if message.opcode == .close { connection.answerClose(Array(message.payload)) }
                        onControl(connection, message.opcode, Array(message.payload))
                    } else {
                        onText(connection, String(decoding: message.payload, as: UTF8.self))
                    }
                    return connection.isOpen
                }
            } catch {
                Issue.record("the client broke RFC 6455: \(error)")
            }
            return
        }
        connection.request += String(decoding: bytes, as: UTF8.self)
        guard connection.request.hasSuffix("\r\n\r\n") else { return }
        if let refusal {
            connection.write(refusal)
            return
        }
        let lines = connection.request.components("\r\n")
        let key = lines.first { $0.hasPrefix("Sec-WebSocket-Key: ") }?.dropFirst(19) ?? ""
        let offered = lines.first { $0.hasPrefix("Sec-WebSocket-Protocol: ") }?.dropFirst(24)
        let picked = offered.map { "Sec-WebSocket-Protocol: \($0.prefix { $0 != "," })\r\n" } ?? ""
        connection.reader = WebSocketMessageReader(maximumMessageBytes: 1 << 20, expectsMask: true)
        opened += 1
        connection.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\(picked)"
                + "Sec-WebSocket-Accept: \(WebSocketHandshake.accept(for: String(key)))\r\n\r\n")
        onOpen(connection)
    }
}

extension String {
    /// The parts between separators.
    func components(_ separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }

    /// The integers that follow `"name":` anywhere in a JSON text.
    func integers(named name: String) -> [Int64] {
        components("\"\(name)\":").dropFirst().compactMap { Int64($0.prefix { $0.isNumber || $0 == "-" }) }
    }
}
