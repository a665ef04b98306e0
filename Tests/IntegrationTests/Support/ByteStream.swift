// A plain blocking socket, so that a test can send what no client library would.

import Glibc

/// The connection failed or ended where something was expected.
struct StreamEnded: Error, CustomStringConvertible {
    let description: String
}

/// One connected stream socket. Reads have deadlines.
final class ByteStream {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// To a port on loopback. `receiveBytes` makes the kernel's receive buffer small; `source` is the last number of the
    /// address 127.0.0.x that it comes from.
    init(port: Int, receiveBytes: Int32? = nil, from source: UInt8 = 1) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if source != 1 { try bind(to: source) }
        if var receiveBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try connect(&address)
    }

    /// To a Unix socket.
    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try connect(&address)
    }

    deinit { close(descriptor) }

    private func bind(to source: UInt8) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = (UInt32(0x7F00_0000) | UInt32(source)).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw StreamEnded(description: "cannot bind: \(String(cString: strerror(errno)))") }
    }

    /// A TCP port of loopback that nobody listens on, for servers that cannot say which one they took.
    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        guard status == 0 else { throw StreamEnded(description: "no port: \(String(cString: strerror(errno)))") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private func connect<Address>(_ address: inout Address) throws {
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard status == 0 else { throw StreamEnded(description: "cannot connect: \(String(cString: strerror(errno)))") }
    }

    /// Sends all of it. What the other side has closed already is not an error: its last words are still to be read.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func send(_ text: String) {
        send(Array(text.utf8))
    }

    /// Sends no more.
    func finishSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Lets go of the connection as a process that is killed, or a router that forgets: by a reset, without a word.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    /// Whether something came and was not read yet.
    var hasInput: Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return !buffer.isEmpty || poll(&ready, 1, 0) > 0
    }

    /// Reads what is there or comes before the deadline into the buffer; false at the end of the stream.
    private func fill(_ deadline: Deadline) throws -> Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, deadline.milliseconds) > 0 else {
            throw OutOfTime(description: "nothing came; so far: \(String(decoding: buffer.prefix(200), as: UTF8.self))")
        }
        var piece = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: piece.prefix(count))
        return true
    }

    /// The next `count` bytes; nil where the stream ends before.
    func take(_ count: Int, within seconds: Double = 10) throws -> [UInt8]? {
        let deadline = Deadline(seconds: seconds)
        while buffer.count < count {
            guard try fill(deadline) else { return nil }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    /// The next line without its CRLF; nil where the stream ends before.
    func takeLine(within seconds: Double = 10) throws -> String? {
        let deadline = Deadline(seconds: seconds)
        while true {
            if let end = buffer.firstIndex(of: 10) {
                var line = Array(buffer[..<end])
                if line.last == 13 { line.removeLast() }
                buffer.removeSubrange(...end)
                return String(decoding: line, as: UTF8.self)
            }
            guard try fill(deadline) else { return nil }
        }
    }

    /// Takes what is there without waiting; whether that was the last.
    func hasEnded() -> Bool {
        while let isOpen = try? fill(Deadline(seconds: 0)) {
            guard isOpen else { return true }
        }
        return false
    }

    /// Whether the other side ends the stream in time; what comes before that is dropped.
    func ends(within seconds: Double = 10) throws -> Bool {
        let deadline = Deadline(seconds: seconds)
        while try fill(deadline) { buffer = [] }
        return true
    }
}

/// An HTTP reply as it came over a `ByteStream`.
struct RawReply: CustomStringConvertible {
    let status: Int
    let headers: [String: String]
    let body: String

    var description: String { "\(status) \(headers) \(body)" }
}

extension ByteStream {
    /// Reads a reply; nil where the connection ends without one.
    func takeReply(within seconds: Double = 10) throws -> RawReply? {
        guard let line = try takeLine(within: seconds) else { return nil }
        let words = line.split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { throw StreamEnded(description: "no reply: \(line)") }
        var headers: [String: String] = [:]
        while let header = try takeLine(within: seconds), !header.isEmpty {
            guard let colon = header.firstIndex(of: ":") else { continue }
            let value = header[header.index(after: colon)...]
            headers[header[..<colon].lowercased()] = String(value.drop { $0 == " " })
        }
        let length = status == 101 ? 0 : headers["content-length"].flatMap { Int($0) } ?? 0
        let body = try take(length, within: seconds) ?? []
        return RawReply(status: status, headers: headers, body: String(decoding: body, as: UTF8.self))
    }
}
