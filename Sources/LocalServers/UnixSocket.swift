/// The two things servers' sockets need here: a path that fits, and a first answer.
import Glibc

enum UnixSocket {
    /// `sun_path` holds 108 bytes, the terminating zero included (unix(7)).
    static let longestPath = 107

    /// Sends `question` and reads the first bytes of the answer; nil where nobody answers in a second.
    static func ask(_ path: String, _ question: String) -> String? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count <= longestPath else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let request = Array(question.utf8)
        guard connected == 0, send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        else { return nil }
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 1000) > 0 else { return nil }
        var answer = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &answer, answer.count, 0)
        return count > 0 ? String(decoding: answer.prefix(count), as: UTF8.self) : nil
    }

    /// Calls `attempt` until it gives true, the child has ended or `limit` is over.
    static func waitUntil(
        _ child: ChildProcess, within limit: Duration, _ attempt: () -> Bool
    ) throws(LocalServerError) {
        let deadline = ContinuousClock.now + limit
        while !attempt() {
            if let status = child.exitStatus {
                throw .ended(child.name, status: status, log: child.output(last: 2000))
            }
            if ContinuousClock.now >= deadline {
                child.terminate(signal: SIGKILL)
                throw .notReady(child.name, within: limit, log: child.output(last: 2000))
            }
            child.wait(.milliseconds(5))
        }
    }
}
