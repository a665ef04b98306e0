/// A private HTTP server that keeps what is posted to it: the other side of webhooks in tests.
import Glibc
import Synchronization

/// Listens on a loopback port until `stop`; what it answers is decided a request at a time.
public final class LocalReceiver: Sendable {
    /// A request as it came.
    public struct Post: Sendable {
        /// The path with its query.
        public let target: String
        /// By name in lower case.
        public let headers: [String: String]
        /// The body.
        public let body: [UInt8]
    }

    /// What is done with a request.
    public enum Answer: Sendable {
        /// A status, further header lines, and a body.
        case status(Int, headers: [String] = [], body: String = "")
        /// The connection stays open and nothing comes.
        case silence
        /// The connection is closed.
        case hangUp
    }

    /// Where it listens.
    public let port: UInt16
    private let listener: Int32
    private let ends: (waiting: Int32, waking: Int32)
    private let received = Mutex<[Post]>([])
    private let hasEnded = Mutex(false)
    private let answer: @Sendable (_ post: Post, _ number: Int) -> Answer

    /// Starts; `answer` gets each request with its number from 0 on the server's thread.
    public init(answer: @escaping @Sendable (_ post: Post, _ number: Int) -> Answer) throws(LocalServerError) {
        self.answer = answer
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, size) | listen(descriptor, 64) | getsockname(descriptor, name, &size)
            }
        }
        var pair: [Int32] = [-1, -1]
        guard status == 0,
            socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0
        else { throw .cannotStart("a receiver on 127.0.0.1", reason: systemReason()) }
        ends = (pair[0], pair[1])
        port = UInt16(bigEndian: address.sin_port)
        var thread = pthread_t()
        let started = pthread_create(
            &thread, nil,
            { context in
                // Retained below for this thread alone.
                Unmanaged<LocalReceiver>.fromOpaque(context!).takeRetainedValue().serve()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(started == 0, "cannot start a thread: raise the limit on threads (ulimit -u)")
        pthread_detach(thread)
    }

    /// `http://127.0.0.1:PORT`.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// Everything that was posted, in order.
    public var posts: [Post] { received.withLock { $0 } }

    /// Closes the port and every connection.
    public func stop() {
        hasEnded.withLock { ended in
            guard !ended else { return }
            ended = true
            // The thread closes its end, and with it everything.
            close(ends.waking)
        }
    }

    // MARK: The thread

    private func serve() {
        var connections: [Int32: [UInt8]] = [:]
        while true {
            var watched = ([ends.waiting, listener] + connections.keys).map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            guard poll(&watched, nfds_t(watched.count), -1) > 0 else { continue }
            if watched[0].revents != 0 { break }
            if watched[1].revents != 0 {
                let accepted = accept(listener, nil, nil)
                if accepted >= 0 { connections[accepted] = [] }
            }
            for entry in watched.dropFirst(2) where entry.revents != 0 {
                if !read(entry.fd, &connections[entry.fd, default: []]) {
                    close(entry.fd)
                    connections[entry.fd] = nil
                }
            }
        }
        for descriptor in [listener, ends.waiting] + connections.keys { close(descriptor) }
    }

    /// Reads what is there and answers what is complete; false where the connection is over.
    private func read(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return false }
        buffer += bytes.prefix(count)
        while let post = Self.takePost(&buffer) {
            let number = received.withLock { posts in
                posts.append(post)
                return posts.count - 1
            }
            switch answer(post, number) {
            case .status(let status, let headers, let body):
                let head = ["HTTP/1.1 \(status) Told", "Content-Length: \(body.utf8.count)"] + headers
                let reply = Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
                guard send(descriptor, reply, reply.count, Int32(MSG_NOSIGNAL)) == reply.count else { return false }
            case .silence: break
            case .hangUp: return false
            }
        }
        return true
    }

    /// The first request of the buffer, if it is whole.
    private static func takePost(_ buffer: inout [UInt8]) -> Post? {
        let end = Array("\r\n\r\n".utf8)
        guard let head = buffer.indices.first(where: { buffer[$0...].starts(with: end) }) else { return nil }
        let lines = String(decoding: buffer[..<head], as: UTF8.self).split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
        }
        let start = head + end.count
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard buffer.count >= start + length else { return nil }
        let words = lines.first?.split(separator: " ") ?? []
        let post = Post(
            target: words.count > 1 ? String(words[1]) : "", headers: headers,
            body: Array(buffer[start..<start + length]))
        buffer.removeFirst(start + length)
        return post
    }
}
