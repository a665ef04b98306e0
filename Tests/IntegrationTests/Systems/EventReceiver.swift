// A platform's own server that takes events by webhook: it answers each request as the test says, when the test looks.

import Crypto
import Foundation
import Glibc
import Testing

/// Listens on a free loopback port. Used on one thread.
final class EventReceiver {
    /// One request as it came.
    struct Received {
        let path: String
        /// By lower-case name.
        let headers: [String: String]
        let body: String

        /// Whether the signature is one that this secret makes (Standard Webhooks: HMAC-SHA256 over id, time and body).
        func isSigned(_ secret: String) -> Bool {
            guard let id = headers["webhook-id"], let time = headers["webhook-timestamp"] else { return false }
            let code = HMAC<SHA256>.authenticationCode(
                for: Data("\(id).\(time).\(body)".utf8), using: SymmetricKey(data: Data(secret.utf8)))
            return headers["webhook-signature"] == "v1,\(Data(code).base64EncodedString())"
        }
    }

    let port: Int
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, size) | listen(descriptor, 64) | getsockname(descriptor, name, &size)
            }
        }
        try #require(status == 0)
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }

    var url: String { "http://127.0.0.1:\(port)/tracking-events" }

    /// The next request, answered with `status`.
    func next(answering status: Int = 204, within seconds: Double = 30) throws -> Received {
        let deadline = Deadline(seconds: seconds)
        try wait(descriptor, deadline, "a request")
        let connection = accept(descriptor, nil, nil)
        try #require(connection >= 0)
        defer { close(connection) }
        let received = try read(connection, deadline)
        let reply = Array("HTTP/1.1 \(status) Said so\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
        let sent = reply.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        try #require(sent == reply.count)
        return received
    }

    /// Whether nobody has asked within so many seconds.
    func isLeftAlone(for seconds: Double) -> Bool {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&event, 1, Deadline(seconds: seconds).milliseconds) == 0
    }

    private func wait(_ descriptor: Int32, _ deadline: Deadline, _ what: String) throws {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&event, 1, deadline.milliseconds) == 1 else { throw OutOfTime(description: "\(what) did not come") }
    }

    private func read(_ connection: Int32, _ deadline: Deadline) throws -> Received {
        var bytes: [UInt8] = []
        func more() throws {
            try wait(connection, deadline, "the rest of a request")
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { throw StreamEnded(description: "the request ended early") }
            bytes += buffer.prefix(count)
        }
        let end = Array("\r\n\r\n".utf8)
        var head: Int?
        while head == nil {
            try more()
            head = bytes.indices.first { bytes[$0...].starts(with: end) }
        }
        let start = try #require(head)
        let lines = String(decoding: bytes[..<start], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        try #require(words.count == 3 && words[0] == "POST", "\(lines[0])")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count == 2 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        let length = try #require(headers["content-length"].flatMap { Int($0) })
        while bytes.count < start + 4 + length { try more() }
        return Received(
            path: String(words[1]), headers: headers,
            body: String(decoding: bytes[(start + 4)..<(start + 4 + length)], as: UTF8.self))
    }
}
