/// How a socket gets in: a WebSocket handshake at the gateway, one line at a floor.
import Glibc

/// Who is measured.
enum Entrance {
    case gateway(port: Int, token: String)
    case floor(port: Int)

    /// A socket that sends pings. `driver` is its first driver.
    func openDevice(driver: Int) throws(BenchError) -> Int32 {
        switch self {
        case .gateway(let port, let token):
            let descriptor = try handshake(port, "/v1/ingest", "drover.ingest.v1", token)
            _ = try Self.awaitFrame(descriptor, containing: "hello")
            Socket.makeNonBlocking(descriptor)
            return descriptor
        case .floor(let port): return try line("D\(driver)\n", port)
        }
    }

    /// A socket that watches `drivers`. At a floor that is the first of them.
    func openViewer(drivers: [Int]) throws(BenchError) -> Int32 {
        switch self {
        case .gateway(let port, let token):
            let descriptor = try handshake(port, "/v1/track", "drover.v1", token)
            _ = try Self.awaitFrame(descriptor, containing: "hello")
            let subjects = drivers.map { "\"driver:\(PingTemplate.driverName($0))\"" }.joined(separator: ",")
            try Socket.writeAll(
                ClientFrame.text(Array("{\"id\":1,\"subscribe\":[\(subjects)]}".utf8)), to: descriptor)
            _ = try Self.awaitFrame(descriptor, containing: "subscribed")
            Socket.makeNonBlocking(descriptor)
            return descriptor
        case .floor(let port): return try line("V\(drivers[0])\n", port)
        }
    }

    private func line(_ text: String, _ port: Int) throws(BenchError) -> Int32 {
        let descriptor = try Socket.connect(port: port)
        try Socket.writeAll(Array(text.utf8), to: descriptor)
        var answer: UInt8 = 0
        guard recv(descriptor, &answer, 1, 0) == 1 else { throw BenchError("the floor does not answer") }
        Socket.makeNonBlocking(descriptor)
        return descriptor
    }

    private func handshake(
        _ port: Int, _ path: String, _ subprotocol: String, _ token: String
    ) throws(BenchError) -> Int32 {
        let descriptor = try Socket.connect(port: port)
        let request = """
            GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: \(subprotocol)\r\nAuthorization: Bearer \(token)\r\n\r\n
            """
        try Socket.writeAll(Array(request.utf8), to: descriptor)
        var head: [UInt8] = []
        // Byte by byte, so that not a byte of the first frame is taken with it.
        while !head.suffix(4).elementsEqual([13, 10, 13, 10]) {
            var byte: UInt8 = 0
            guard head.count < 4_096, recv(descriptor, &byte, 1, 0) == 1 else {
                throw BenchError("no complete answer to the WebSocket handshake: \(Socket.reason())")
            }
            head.append(byte)
        }
        let answer = String(decoding: head, as: UTF8.self)
        guard answer.hasPrefix("HTTP/1.1 101") else {
            throw BenchError("the WebSocket handshake was refused: \(answer.prefix { $0 != "\r" })")
        }
        return descriptor
    }

    /// Reads frames from a blocking socket until one contains `text`.
    private static func awaitFrame(_ descriptor: Int32, containing text: String) throws(BenchError) -> String {
        for _ in 0..<1_000 {
            let head = try exactly(2, descriptor)
            var length = Int(head[1] & 0x7F)
            if length == 126 {
                let more = try exactly(2, descriptor)
                length = Int(more[0]) << 8 | Int(more[1])
            } else if length == 127 {
                length = try exactly(8, descriptor).reduce(0) { $0 << 8 | Int($1) }
            }
            let payload = String(decoding: try exactly(length, descriptor), as: UTF8.self)
            if head[0] & 0x0F == 8 { throw BenchError("the gateway closed the WebSocket: \(payload)") }
            if payload.contains(text) { return payload }
        }
        throw BenchError("the gateway never said \(text)")
    }

    private static func exactly(_ count: Int, _ descriptor: Int32) throws(BenchError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let received = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.unsafelyUnwrapped + filled, count - filled, 0)
            }
            guard received > 0 else { throw BenchError("the gateway does not answer: \(Socket.reason())") }
            filled += received
        }
        return bytes
    }
}
