/// One non-blocking TCP connection on the loop: connecting, reading into the shared buffer, writing at once and
/// queueing what the kernel does not take.
import EventLoop
import Glibc

/// Who uses a connection: a WebSocket or an HTTP client.
protocol StreamConnectionOwner: AnyObject {
    func connectionOpened()
    /// `bytes` are valid during the call only.
    func connectionReceived(_ bytes: UnsafeRawBufferPointer)
    /// The queue has become empty after it had not been.
    func connectionDrained()
    /// The connection is over and closed; `reason` is nil where the other side ended it in order. Comes once, and not
    /// after `close()`.
    func connectionEnded(_ reason: String?)
}

/// A connection from `connect()` to `close()` or the other side's end. While it is open it keeps its owner alive.
final class StreamConnection {
    private let network: ClientNetwork
    private var owner: (any StreamConnectionOwner)?
    private var descriptor: Int32 = -1
    private var poll: LoopPoll?
    private var isConnected = false
    private let queue = ByteWriter(capacity: 64)
    private var queueStart = 0
    private let maximumQueuedBytes: Int

    init(network: ClientNetwork, maximumQueuedBytes: Int) {
        self.network = network
        self.maximumQueuedBytes = maximumQueuedBytes
    }

    /// Bytes that the kernel has not taken yet.
    var queuedBytes: Int { queue.count - queueStart }

    var isOpen: Bool { descriptor >= 0 }

    /// Starts connecting; the outcome comes through `owner`, never before this returns.
    func connect(to endpoint: Endpoint, owner: any StreamConnectionOwner) throws(DroverClientError) {
        precondition(descriptor < 0, "a connection is used once")
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(endpoint.family, kind, 0)
        guard descriptor >= 0 else {
            throw .cannotReach(endpoint.description, reason: String(cString: strerror(errno)))
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        let status = endpoint.socketAddress.withUnsafeBytes { address in
            Glibc.connect(
                descriptor, address.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count))
        }
        let code = errno
        do {
            guard status == 0 || code == EINPROGRESS else {
                throw EventLoopFailure(reason: String(cString: strerror(code)))
            }
            let poll = try LoopPoll(loop: network.loop, descriptor: descriptor) { [self] in ready($0) }
            poll.watch(.writable)
            self.poll = poll
            self.owner = owner
        } catch {
            Glibc.close(descriptor)
            descriptor = -1
            throw .cannotReach(endpoint.description, reason: "\(error)")
        }
    }

    private struct EventLoopFailure: Error, CustomStringConvertible {
        let reason: String
        var description: String { reason }
    }

    /// Sends now or queues; false where the queue would grow above its bound: then nothing of `bytes` is sent.
    @discardableResult
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard descriptor >= 0, isConnected else { return false }
        guard queuedBytes == 0 else {
            guard queuedBytes + bytes.count <= maximumQueuedBytes else { return false }
            queue.append(bytes)
            return true
        }
        let sent = max(0, send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)))
        guard sent < bytes.count else { return true }
        // An error shows itself at the next read; until then the rest waits like any other.
        queue.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        poll?.watch([.readable, .writable])
        return true
    }

    /// Closes at once and in silence.
    func close() {
        guard descriptor >= 0 else { return }
        poll?.close()
        poll = nil
        Glibc.close(descriptor)
        descriptor = -1
        owner = nil
    }

    private func end(_ reason: String?) {
        let owner = owner
        close()
        owner?.connectionEnded(reason)
    }

    private func ready(_ readiness: LoopReadiness) {
        guard isConnected else { return finishConnecting() }
        if readiness.contains(.writable), queuedBytes > 0 { flush() }
        if readiness.contains(.readable) { receive() }
    }

    private func finishConnecting() {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        guard code == 0 else { return end(String(cString: strerror(code))) }
        isConnected = true
        poll?.watch(.readable)
        owner?.connectionOpened()
    }

    private func flush() {
        let rest = UnsafeRawBufferPointer(rebasing: queue.bytes[queueStart...])
        let sent = send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
        if sent < 0 {
            guard errno != EAGAIN && errno != EINTR else { return }
            let reason = String(cString: strerror(errno))
            // What was said before the end, such as that the request is too large, is still to be read.
            receive()
            return end(reason)
        }
        queueStart += sent
        guard queuedBytes == 0 else {
            // Moving the rest only once half is gone keeps the cost a byte constant.
            if queueStart > queue.count / 2 {
                queue.removeFirst(queueStart)
                queueStart = 0
            }
            return
        }
        queue.clear()
        queueStart = 0
        poll?.watch(.readable)
        owner?.connectionDrained()
    }

    private func receive() {
        let buffer = network.receiveBuffer
        // A few rounds at most, so that one busy connection does not keep the others waiting.
        for _ in 0..<4 {
            guard descriptor >= 0 else { return }
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count > 0 {
                owner?.connectionReceived(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                if count < buffer.count { return }
            } else if count == 0 {
                return end(nil)
            } else {
                if errno != EAGAIN && errno != EINTR { end(String(cString: strerror(errno))) }
                return
            }
        }
    }
}
