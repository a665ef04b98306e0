/// Accepts on a listening socket of ours, because Debian's libwebsockets cannot share a port, which several processes
/// need; its connections are handed over by adoption.
import EventLoop
import Glibc

/// A connection that has just been accepted.
struct Arrival {
    /// Owned by whoever holds this.
    let descriptor: Int32
    /// The TCP peer.
    let address: NetworkAddress
    /// Whether it counts against its address's limit.
    var isCounted = false
    /// The length of its first request's head; 0 where that was not looked at.
    var headBytes = 0
}

/// Accepts connections on one listening socket.
final class Listener {
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private var poll: LoopPoll?

    /// Accepts; `accepted` gets each new connection, whose descriptor it then owns. Several processes may accept on one
    /// socket: each connection comes to one of them.
    init(
        loop: EventLoop, descriptor: Int32, ownsDescriptor: Bool, accepted: @escaping (Arrival) -> Void
    ) throws(WebServerError) {
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
        do {
            poll = try LoopPoll(loop: loop, descriptor: descriptor) { _ in
                // At most 64 a wake-up, so that a storm of connects does not starve those who are in.
                for _ in 0..<64 {
                    var peer = sockaddr_storage()
                    let client = Self.accept(descriptor, &peer)
                    guard client >= 0 else { return }
                    _ = fcntl(client, F_SETFL, O_NONBLOCK)
                    _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                    var on: Int32 = 1
                    setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                    accepted(Arrival(descriptor: client, address: NetworkAddress(peer)))
                }
            }
        } catch {
            if ownsDescriptor { Glibc.close(descriptor) }
            throw WebServerError(description: "cannot watch the listening socket: \(error)")
        }
        poll?.watch(.readable)
    }

    private static func accept(_ descriptor: Int32, _ peer: inout sockaddr_storage) -> Int32 {
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(descriptor, $0, &length) }
        }
    }

    /// Stops accepting. What waits in the queue of a socket that others hold as well stays there for them.
    func close() {
        poll?.close()
        poll = nil
        if ownsDescriptor { Glibc.close(descriptor) }
    }
}
