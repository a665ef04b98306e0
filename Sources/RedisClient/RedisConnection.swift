/// A connection to Redis on the event loop: commands go out in one write, replies come back in order, and a lost
/// connection is made again with jittered back-off.
///
/// hiredis connects and parses; its own asynchronous layer is left aside because it costs a syscall a command.
import CHiredis
public import EventLoop
import Glibc

/// See the file's head. Lives on the loop's thread.
public final class RedisConnection {
    private enum State {
        case waiting
        case connecting
        case ready
        case closed
    }

    private struct Expectation {
        var count: Int
        var since: Int64
        var handler: ((RedisReply) -> Void)?
    }

    /// The most unsent bytes before `hasRoom` says no.
    private static let maximumUnsentBytes = 8 << 20
    /// A reply that takes longer than this ends the connection: a frozen server must not pass for a slow one.
    private static let replyDeadline: Int64 = 5_000_000
    /// The longest pause between attempts, in milliseconds; short, since hashes must be right within a second of the
    /// server's return.
    private static let longestPause = 500

    /// The server.
    public let address: RedisAddress
    private let loop: EventLoop
    private let stateChanged: (Bool) -> Void
    private var state = State.waiting
    private var context: UnsafeMutablePointer<redisContext>?
    private var poll: LoopPoll?
    private var timer: LoopTimer?
    private var failures = 0
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    private var expectations: [Expectation] = []
    private var firstExpectation = 0
    /// Why the connection is not there; nil while it is.
    public private(set) var lastError: String?
    /// Error replies to commands nobody waited for.
    public private(set) var errorReplies = 0
    /// hiredis' own makers of reply objects.
    private var objectFunctions: UnsafeMutablePointer<redisReplyObjectFunctions>?

    /// What a subscribed connection is told unasked; nil on one that subscribes to nothing.
    private let published: ((_ channel: Span<UInt8>, _ payload: Span<UInt8>) -> Void)?
    /// On such a one: the subscription to a channel stands.
    var confirmed: ((_ channel: String) -> Void)?
    /// On such a one: everything that had come is read.
    var allRead: (() -> Void)?

    /// Starts connecting. `stateChanged` hears every time the connection becomes usable or is lost.
    public convenience init(loop: EventLoop, address: RedisAddress, stateChanged: @escaping (Bool) -> Void) {
        self.init(loop: loop, address: address, published: nil, stateChanged: stateChanged)
    }

    /// The same for a connection that will be told messages of channels.
    init(
        loop: EventLoop, address: RedisAddress,
        published: ((_ channel: Span<UInt8>, _ payload: Span<UInt8>) -> Void)?,
        stateChanged: @escaping (Bool) -> Void
    ) {
        self.loop = loop
        self.address = address
        self.published = published
        self.stateChanged = stateChanged
        timer = LoopTimer(loop: loop) { [unowned self] in timerFired() }
        timer?.start(afterMilliseconds: 0)
    }

    /// Whether commands can be sent.
    public var isReady: Bool { state == .ready }

    /// Whether more commands should be sent now: connected, and not too much still unsent.
    public var hasRoom: Bool { state == .ready && unsent.count - unsentStart < Self.maximumUnsentBytes }

    /// Sends commands, at the next `flush`, whose replies nobody needs; errors among them are counted. Does nothing
    /// unless `isReady`.
    public func send(_ commands: RedisCommands) {
        guard state == .ready, commands.count > 0 else { return }
        expect(commands.count, nil)
        write(commands.bytes)
    }

    /// Sends one command, at the next `flush`; `handler` gets its reply, or `.lost`, on the loop.
    public func send(_ parts: [String], _ handler: @escaping (RedisReply) -> Void) {
        var command = RedisCommands()
        command.command(parts)
        send(command, handler)
    }

    /// The same of a command that is composed already.
    public func send(_ command: RedisCommands, _ handler: @escaping (RedisReply) -> Void) {
        guard state == .ready else { return handler(.lost) }
        expect(1, handler)
        write(command.bytes)
    }

    /// Sends a command, at the next `flush`, that is answered by pushes and not by a reply: (un)subscribing.
    func push(_ parts: [String]) {
        guard state == .ready else { return }
        var commands = RedisCommands()
        commands.command(parts)
        write(commands.bytes)
    }

    /// Ends the connection for good.
    public func close() {
        guard state != .closed else { return }
        drop(reason: "closed")
        state = .closed
        timer?.close()
    }

    // MARK: Connecting

    private func connect() {
        state = .connecting
        switch address.endpoint {
        case .tcp(let host, let port): context = redisConnectNonBlock(host, Int32(port))
        case .unix(let path): context = redisConnectUnixNonBlock(path)
        }
        guard let context, context.pointee.err == 0 else {
            let reason = context.map { Self.text($0) } ?? "out of memory"
            return lose(reason)
        }
        objectFunctions = context.pointee.reader.pointee.fn
        do {
            poll = try LoopPoll(loop: loop, descriptor: context.pointee.fd) { [unowned self] ready in
                // A reply may end the connection and with it `self`'s last owner.
                withExtendedLifetime(self) { handle(ready) }
            }
        } catch {
            return lose("\(error)")
        }
        poll?.watch([.readable, .writable])
        timer?.start(afterMilliseconds: 2_000)
    }

    private func handle(_ ready: LoopReadiness) {
        if state == .connecting, !finishConnecting() { return }
        if ready.contains(.readable) { read() }
        if state == .ready || state == .connecting, ready.contains(.writable) { flush() }
    }

    /// True once the socket is connected; greets then.
    private func finishConnecting() -> Bool {
        guard let context, expectations.isEmpty else { return true }
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(context.pointee.fd, SOL_SOCKET, SO_ERROR, &error, &length)
        if error != 0 {
            lose(String(cString: strerror(error)))
            return false
        }
        var greeting = RedisCommands()
        if let password = address.password {
            greeting.command(address.user.map { ["AUTH", $0, password] } ?? ["AUTH", password])
        }
        if address.database != 0 { greeting.command(["SELECT", String(address.database)]) }
        greeting.command(["PING"])
        for index in 0..<greeting.count {
            expect(1) { [unowned self] reply in greeted(reply, isLast: index == greeting.count - 1) }
        }
        write(greeting.bytes)
        flush()
        return true
    }

    private func greeted(_ reply: RedisReply, isLast: Bool) {
        switch reply {
        case .lost: break
        case .error(let text): lose(text)
        default:
            guard isLast, state == .connecting else { return }
            state = .ready
            failures = 0
            lastError = nil
            timer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
            stateChanged(true)
        }
    }

    private func timerFired() {
        switch state {
        case .waiting: connect()
        case .connecting: lose("no answer within 2 s")
        case .ready:
            if firstExpectation < expectations.count,
                SystemClock.monotonicMicroseconds() - expectations[firstExpectation].since > Self.replyDeadline
            {
                lose("no reply within \(Self.replyDeadline / 1_000_000) s")
            }
        case .closed: break
        }
    }

    /// The connection is lost; the next attempt is due after a random part of a growing pause.
    private func lose(_ reason: String) {
        guard state != .closed else { return }
        let wasReady = state == .ready
        drop(reason: reason)
        failures = min(failures + 1, 10)
        let pause = min(Self.longestPause, 20 << failures)
        timer?.start(afterMilliseconds: Int.random(in: 1...pause))
        if wasReady { stateChanged(false) }
    }

    private func drop(reason: String) {
        state = .waiting
        lastError =
            "cannot reach Redis at \(address.display): \(reason). Start Redis or set DROVER_REDIS_URL"
        poll?.close()
        poll = nil
        if let context { redisFree(context) }
        context = nil
        unsent.removeAll()
        unsentStart = 0
        let orphans = expectations[firstExpectation...]
        expectations = []
        firstExpectation = 0
        for orphan in orphans { orphan.handler?(.lost) }
    }

    private static func text(_ context: UnsafeMutablePointer<redisContext>) -> String {
        let text = withUnsafeBytes(of: &context.pointee.errstr) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return text.isEmpty ? "connection lost" : text
    }

    // MARK: Bytes out

    private func expect(_ count: Int, _ handler: ((RedisReply) -> Void)?) {
        expectations.append(
            Expectation(count: count, since: SystemClock.monotonicMicroseconds(), handler: handler))
    }

    private func write(_ bytes: [UInt8]) {
        unsent.append(contentsOf: bytes)
    }

    /// Writes what was sent since the last call, in one go. Called at the end of each turn of the loop: however many
    /// commands a turn sends, they cost one system call.
    public func flush() {
        guard let context, unsentStart < unsent.count else { return }
        while unsentStart < unsent.count {
            let written = unsent.withUnsafeBytes { bytes in
                Glibc.send(
                    context.pointee.fd, bytes.baseAddress! + unsentStart, bytes.count - unsentStart,
                    Int32(MSG_NOSIGNAL))
            }
            if written > 0 {
                unsentStart += written
            } else if errno == EAGAIN || errno == EINTR {
                poll?.watch([.readable, .writable])
                return
            } else {
                return lose(String(cString: strerror(errno)))
            }
        }
        unsent.removeAll(keepingCapacity: true)
        unsentStart = 0
        poll?.watch(.readable)
    }

    // MARK: Replies

    private func read() {
        guard let context else { return }
        guard redisBufferRead(context) == REDIS_OK else { return lose(Self.text(context)) }
        while let context = self.context {
            let isRead =
                published != nil
                || (firstExpectation < expectations.count && expectations[firstExpectation].handler != nil)
            // Without object functions hiredis parses a reply and makes nothing of it but its type's number, in place
            // of the pointer: the replies to thousands of HSETs cost no allocation.
            context.pointee.reader.pointee.fn = isRead ? objectFunctions : nil
            var reply: UnsafeMutableRawPointer?
            guard redisGetReplyFromReader(context, &reply) == REDIS_OK else { return lose(Self.text(context)) }
            guard let reply else { break }
            if isRead {
                defer { freeReplyObject(reply) }
                dispatch(reply.assumingMemoryBound(to: redisReply.self).pointee)
            } else {
                discard(type: Int(bitPattern: reply))
            }
        }
        allRead?()
    }

    private func dispatch(_ reply: redisReply) {
        if let published, isPush(reply, published) { return }
        guard firstExpectation < expectations.count else { return lose("a reply that nobody asked for") }
        let handler = expectations[firstExpectation].handler
        advance()
        handler?(RedisReply(reply))
    }

    /// Whether it is no reply but what a subscribed connection is told: three parts, of which the first says what.
    private func isPush(_ reply: redisReply, _ published: (Span<UInt8>, Span<UInt8>) -> Void) -> Bool {
        guard reply.type == REDIS_REPLY_ARRAY, reply.elements == 3, let parts = reply.element,
            let kind = parts[0], let channel = parts[1], let third = parts[2], kind.pointee.type == REDIS_REPLY_STRING
        else { return false }
        switch String(cString: kind.pointee.str) {
        case "message", "smessage":
            let (name, payload) = (Self.bytes(channel), Self.bytes(third))
            published(name.span, payload.span)
        case "subscribe", "ssubscribe": confirmed?(String(cString: channel.pointee.str))
        case "unsubscribe", "sunsubscribe": break
        default: return false
        }
        return true
    }

    /// The bytes of a string, valid until the reply is freed.
    private static func bytes(_ reply: UnsafeMutablePointer<redisReply>) -> UnsafeBufferPointer<UInt8> {
        UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.str == nil ? 0 : reply.pointee.len)
            .bindMemory(to: UInt8.self)
    }

    private func discard(type: Int) {
        guard firstExpectation < expectations.count else { return lose("a reply that nobody asked for") }
        if type == Int(REDIS_REPLY_ERROR) { errorReplies += 1 }
        expectations[firstExpectation].count -= 1
        if expectations[firstExpectation].count == 0 { advance() }
    }

    private func advance() {
        expectations[firstExpectation].handler = nil
        firstExpectation += 1
        if firstExpectation == expectations.count {
            expectations.removeAll(keepingCapacity: true)
            firstExpectation = 0
        }
    }
}
