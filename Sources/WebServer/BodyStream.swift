/// A reply whose body is written piece by piece while it is read: however long it is, no more than one piece of it waits
/// in memory for a slow reader.
import CLibwebsockets
import EventLoop

/// Where the pieces of a streamed body come from. Override both; they run on the loop's thread.
open class BodySource {
    /// Nothing to set up.
    public init() {}

    /// The socket has room. Answer once, now or later, with `send`, `finish` or `fail` of `stream`: it is not asked again
    /// before.
    open func wanted(by stream: BodyStream) {}

    /// Nothing more is wanted: the client has gone or takes nothing, or the server ends. Called at most once, and not after
    /// `finish` or `fail`.
    open func cancelled() {}
}

/// A body that is being written. HTTP/1.1 gets it in chunks (RFC 9112 section 7.1), HTTP/1.0 up to the end of the
/// connection. It has its room in the exchange, so that no other connection grows by it.
public final class BodyStream {
    private let source: BodySource
    /// Nil once the body is over. The connection holds the stream until then.
    private var connection: WebConnection?
    private let isChunked: Bool
    /// Whether the source was asked and has not answered.
    private var isAsked = false
    private var isAsking = false
    /// Whether it goes on when the socket has room.
    private var waitsForRoom = false
    /// Whether all was written and only has to leave.
    private var isLast = false
    /// What the peer had acknowledged when it was last looked at, in bytes.
    private var acknowledged: UInt64 = 0
    /// The server's second in which it was last seen to take something.
    private var progressAt: Int

    fileprivate init(_ connection: WebConnection, source: BodySource, isChunked: Bool) {
        self.connection = connection
        self.source = source
        self.isChunked = isChunked
        progressAt = connection.server.second
    }

    /// Whether anybody still wants it.
    public var isOpen: Bool { connection != nil }

    /// The next piece; an empty one is none, and the source is asked again.
    public func send(_ piece: [UInt8]) {
        guard isAsked, connection != nil else { return }
        isAsked = false
        guard write(piece, isLast: false) else { return }
        goOn()
    }

    /// The last piece, which may be empty.
    public func finish(_ piece: [UInt8] = []) {
        guard isAsked, connection != nil else { return }
        isAsked = false
        isLast = true
        guard write(piece, isLast: true) else { return }
        goOn()
    }

    /// Something went wrong: ends the connection without the last chunk, so that the client knows that there was more. Over
    /// HTTP/1.0 it cannot know.
    public func fail() {
        guard let connection else { return }
        self.connection = nil
        connection.abort()
    }

    // MARK: Its connection

    /// The socket has room again.
    func writable() {
        waitsForRoom = false
        goOn()
    }

    /// It is over, whatever the source does.
    func cancel() {
        guard connection != nil else { return }
        connection = nil
        source.cancelled()
    }

    /// Once a second: whether the client is still there, and whether it has taken anything within `patience` seconds.
    func look(second: Int, patience: Int) {
        guard let connection else { return }
        let descriptor = lws_get_socket_fd(connection.wsi)
        // Behind a full socket the library does not read, and so does not hear that the other side has closed.
        guard !SocketState.hasEnded(descriptor) else { return giveUp() }
        // The library's own queue tells nothing, since it is behind a send buffer of up to megabytes.
        let taken = SocketState.acknowledgedBytes(descriptor)
        if !waitsForRoom || taken != acknowledged {
            acknowledged = taken
            progressAt = second
        } else if second - progressAt >= patience {
            giveUp()
        }
    }

    private func giveUp() {
        guard let connection else { return }
        cancel()
        connection.abort()
    }

    fileprivate func goOn() {
        guard let connection, connection.phase == .http else { return }
        if connection.isBackedUp {
            waitForRoom(connection)
            return
        }
        if isLast {
            self.connection = nil
            connection.bodyIsOut()
        } else if isAsking {
            // A source that answers at once gets its next piece in another turn, so that others have theirs.
            waitForRoom(connection)
        } else if !isAsked {
            isAsked = true
            isAsking = true
            source.wanted(by: self)
            isAsking = false
        }
    }

    private func waitForRoom(_ connection: WebConnection) {
        waitsForRoom = true
        lws_callback_on_writable(connection.wsi)
    }

    /// False where the connection is lost.
    private func write(_ piece: [UInt8], isLast: Bool) -> Bool {
        guard let connection else { return false }
        guard connection.phase == .http else {
            cancel()
            return false
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(piece.count + 24)
        if isChunked, !piece.isEmpty { bytes.append(contentsOf: "\(String(piece.count, radix: 16))\r\n".utf8) }
        bytes.append(contentsOf: piece)
        if isChunked, !piece.isEmpty { bytes.append(contentsOf: "\r\n".utf8) }
        if isChunked, isLast { bytes.append(contentsOf: "0\r\n\r\n".utf8) }
        guard !bytes.isEmpty else { return true }
        guard connection.write(bytes.span) == .taken else {
            cancel()
            return false
        }
        return true
    }
}

extension WebConnection {
    /// Answers the current request with a body that `source` gives as it is read, and asks for its first piece. The
    /// connection ends with it: what the client sends meanwhile is dropped (RFC 9112 section 9.6). A client that takes
    /// nothing for `bodyPatienceSeconds` is cut off. A HEAD is answered whole, and the source is not asked. False where the
    /// client has gone.
    @discardableResult
    public func openBody(status: Int = 200, headers: [(String, String)], source: BodySource) -> Bool {
        guard phase == .http, let request else { return false }
        self.request = nil
        gathered = []
        var response = WebResponse(status: status, headers: headers + replyHeaders)
        replyHeaders = []
        response.secure(isEncrypted: server.isEncrypted)
        response.headers += server.configuration.allowedOrigins.headers(
            for: request.headers["origin"], host: request.headers["host"])
        let isChunked = isHTTP11
        let hasBody = request.method != .head
        response.closes = hasBody
        let framing = hasBody && isChunked ? [("Transfer-Encoding", "chunked")] : []
        guard write(response.head(framing: framing).span) == .taken else { return false }
        guard hasBody else {
            finishTransaction(closes: false)
            return true
        }
        // As an event stream: with the request's headers at hand the library neither reads nor drops what the client sends
        // before its reply is whole, its going included, and turns round and round. Without them it does both.
        lws_http_headers_detach(wsi)
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0)
        let stream = BodyStream(self, source: source, isChunked: isChunked)
        body = stream
        server.schedule(self, now: SystemClock.monotonicMicroseconds())
        stream.goOn()
        return true
    }

    /// All of it has been given to the kernel.
    fileprivate func bodyIsOut() {
        body = nil
        finishTransaction(closes: true)
    }
}
