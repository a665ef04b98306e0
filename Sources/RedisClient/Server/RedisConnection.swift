/// One connection to one Redis server on the event loop, from its beginning to its end: commands go out in one write,
/// replies come back in order. Who needs another one afterwards makes it (`RedisSeeker`, `ClusterNode`).
///
/// hiredis connects and parses; its own asynchronous layer is left aside because it costs a syscall a command.
import CHiredis
import EventLoop
import Glibc

/// See the file's head. Lives on the loop's thread.
final class RedisConnection {
    /// Why it ended.
    enum Ending {
        /// It could not be made, or was lost; the reason for messages.
        case failed(String)
        /// It reached a replica, of this server.
        case replica(of: RedisAddress.Endpoint?)
    }

    /// How it begins.
    struct Greeting {
        /// Whether a replica will not do.
        var wantsPrimary = false
        /// Whether a server that knows no password may be given one: Sentinels often have none of their own.
        var forgivesCredentials = false
    }

    private enum State {
        case connecting
        case ready
        case ended
    }

    private struct Expectation {
        var count: Int
        var since: Int64
        var handler: ((RedisReply) -> Void)?
    }

    /// The most unsent bytes before `hasRoom` says no.
    private static let maximumUnsentBytes = 8 << 20
    /// Connecting may take so long, in milliseconds.
    private static let connectMilliseconds = 2_000

    let address: RedisAddress
    private let loop: EventLoop
    private let greeting: Greeting
    /// A reply that takes longer ends the connection, in microseconds: a frozen server must not pass for a slow one.
    private let patience: Int64
    private var state = State.connecting
    private var context: UnsafeMutablePointer<redisContext>?
    private var poll: LoopPoll?
    private var timer: LoopTimer?
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    private var expectations: [Expectation] = []
    private var firstExpectation = 0
    /// hiredis' own makers of reply objects.
    private var objectFunctions: UnsafeMutablePointer<redisReplyObjectFunctions>?
    /// Whether the reply that is being parsed is made into objects.
    private var makesObjects = true
    private var isGreeting = false
    /// Error replies to commands nobody waited for.
    private(set) var errorReplies = 0

    /// Commands can be sent from now on.
    var onReady: () -> Void = {}
    /// It is over; told once, unless `close` was called.
    var onEnd: (Ending) -> Void = { _ in }
    /// A reply, awaited or not, was a refusal.
    var onRefusal: ((RedisRefusal, _ isAwaited: Bool) -> Void)?
    /// Gets every reply once the connection is ready, where it is one for subscriptions; borrowed until it returns.
    var onPush: ((redisReply) -> Void)?
    /// What the socket had was read.
    var onReadEnd: (() -> Void)?

    /// Starts connecting in the loop's next turn, so that the closures can be set before.
    init(loop: EventLoop, address: RedisAddress, greeting: Greeting = Greeting(), patience: Int64 = 5_000_000) {
        self.loop = loop
        self.address = address
        self.greeting = greeting
        self.patience = patience
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { timerFired() } }
        timer?.start(afterMilliseconds: 0)
    }

    deinit { close() }

    /// Whether commands can be sent.
    var isReady: Bool { state == .ready }

    /// Whether more commands should be sent now: connected, and not too much still unsent.
    var hasRoom: Bool { state == .ready && unsent.count - unsentStart < Self.maximumUnsentBytes }

    /// Since when the oldest unanswered command waits, in monotonic microseconds.
    var waitsSince: Int64? {
        firstExpectation < expectations.count ? expectations[firstExpectation].since : nil
    }

    /// Sends commands, at the next `flush`, whose replies nobody needs; errors among them are counted. Does nothing
    /// unless `isReady`.
    func send(_ commands: RedisCommands) {
        guard state == .ready, commands.count > 0 else { return }
        if onPush == nil { expect(commands.count, nil) }
        unsent.append(contentsOf: commands.bytes)
    }

    /// Sends one command, at the next `flush`; `handler` gets its reply, or `.lost`, on the loop.
    func send(_ parts: [String], _ handler: @escaping (RedisReply) -> Void) {
        guard state == .ready else { return handler(.lost) }
        ask(parts, handler)
    }

    /// The same of a command that is composed already.
    func send(_ command: RedisCommands, _ handler: @escaping (RedisReply) -> Void) {
        guard state == .ready else { return handler(.lost) }
        expect(1, handler)
        unsent.append(contentsOf: command.bytes)
    }

    /// Ends it; `onEnd` is not told, commands that wait for replies are told that they are lost.
    func close() {
        guard state != .ended else { return }
        onEnd = { _ in }
        end(.failed("closed"))
    }

    /// Ends it for a reason of its owner's.
    func end(_ reason: String) {
        end(.failed(reason))
    }

    // MARK: Connecting

    private func connect() {
        switch address.endpoint {
        case .tcp(let host, let port): context = redisConnectNonBlock(host, Int32(port))
        case .unix(let path): context = redisConnectUnixNonBlock(path)
        }
        guard let context, context.pointee.err == 0 else {
            return end(.failed(context.map { Self.text($0) } ?? "out of memory"))
        }
        objectFunctions = context.pointee.reader.pointee.fn
        do throws(EventLoopError) {
            poll = try LoopPoll(loop: loop, descriptor: context.pointee.fd) { [unowned self] ready in
                // A reply may end the connection and with it `self`'s last owner.
                withExtendedLifetime(self) { handle(ready) }
            }
        } catch {
            return end(.failed("\(error)"))
        }
        poll?.watch([.readable, .writable])
        timer?.start(afterMilliseconds: Self.connectMilliseconds)
    }

    private func handle(_ ready: LoopReadiness) {
        if state == .connecting, !finishConnecting() { return }
        if ready.contains(.readable) { read() }
        if ready.contains(.writable) { flush() }
    }

    /// True once the socket is connected; greets then.
    private func finishConnecting() -> Bool {
        guard let context, !isGreeting else { return true }
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(context.pointee.fd, SOL_SOCKET, SO_ERROR, &error, &length)
        if error != 0 {
            end(.failed(String(cString: strerror(error))))
            return false
        }
        isGreeting = true
        if case .tcp = address.endpoint {
            var one: Int32 = 1
            setsockopt(context.pointee.fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        if let password = address.password {
            ask(address.user.map { ["AUTH", $0, password] } ?? ["AUTH", password]) { [weak self] reply in
                guard let self, case .error(let text) = reply, !greeting.forgivesCredentials else { return }
                end(.failed(text))
            }
        }
        if greeting.wantsPrimary { ask(["ROLE"]) { [weak self] in self?.toldRole($0) } }
        if address.database != 0 {
            ask(["SELECT", String(address.database)]) { [weak self] reply in
                if case .error(let text) = reply { self?.end(.failed(text)) }
            }
        }
        ask(["PING"]) { [weak self] in self?.greeted($0) }
        flush()
        return state != .ended
    }

    /// An error is no answer: a user without the right to ask (`+role`) is believed, and a refused write tells later.
    private func toldRole(_ reply: RedisReply) {
        guard let parts = reply.elements, parts.first?.text == "slave" else { return }
        var primary: RedisAddress.Endpoint?
        if parts.count >= 3, let host = parts[1].text, case .integer(let port) = parts[2] {
            primary = UInt16(exactly: port).map { .tcp(host: host, port: $0) }
        }
        end(.replica(of: primary))
    }

    private func greeted(_ reply: RedisReply) {
        switch reply {
        case .lost: return
        case .error(let text): return end(.failed(text))
        default: break
        }
        guard state == .connecting else { return }
        state = .ready
        timer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
        onReady()
    }

    private func timerFired() {
        switch state {
        case .connecting:
            if context == nil { connect() } else { end(.failed("no answer within 2 s")) }
        case .ready:
            guard let since = waitsSince, SystemClock.monotonicMicroseconds() - since > patience else { return }
            end(.failed("no reply within \(patience / 1_000_000) s"))
        case .ended: break
        }
    }

    private func end(_ ending: Ending) {
        guard state != .ended else { return }
        state = .ended
        timer?.close()
        timer = nil
        poll?.close()
        poll = nil
        if let context { redisFree(context) }
        context = nil
        unsent = []
        unsentStart = 0
        let orphans = expectations[firstExpectation...]
        expectations = []
        firstExpectation = 0
        // The closures may hold this connection itself.
        let told = onEnd
        (onReady, onEnd, onRefusal, onPush, onReadEnd) = ({}, { _ in }, nil, nil, nil)
        for orphan in orphans { orphan.handler?(.lost) }
        told(ending)
    }

    private static func text(_ context: UnsafeMutablePointer<redisContext>) -> String {
        let text = withUnsafeBytes(of: &context.pointee.errstr) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return text.isEmpty ? "connection lost" : text
    }

    // MARK: Bytes out

    private func ask(_ parts: [String], _ handler: @escaping (RedisReply) -> Void) {
        var commands = RedisCommands()
        commands.command(parts)
        expect(1, handler)
        unsent.append(contentsOf: commands.bytes)
    }

    private func expect(_ count: Int, _ handler: ((RedisReply) -> Void)?) {
        expectations.append(
            Expectation(count: count, since: SystemClock.monotonicMicroseconds(), handler: handler))
    }

    /// Writes what was sent since the last call, in one go. Called at the end of each turn of the loop: however many
    /// commands a turn sends, they cost one system call.
    func flush() {
        // A connection that is being made waits for being writable: with nothing to send nothing is changed.
        guard unsentStart < unsent.count else { return }
        while let context, unsentStart < unsent.count {
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
                return end(.failed(String(cString: strerror(errno))))
            }
        }
        unsent.removeAll(keepingCapacity: true)
        unsentStart = 0
        poll?.watch(.readable)
    }

    // MARK: Replies

    private func read() {
        guard let context else { return }
        guard redisBufferRead(context) == REDIS_OK else { return end(.failed(Self.text(context))) }
        while let context = self.context {
            let reader = context.pointee.reader!
            // Without a byte to read hiredis would begin a reply of which nothing is known yet.
            guard reader.pointee.pos < reader.pointee.len else { break }
            // Decided at a reply's first byte and kept until its last.
            if reader.pointee.ridx == -1 { makesObjects = isAwaited || Self.beginsWithError(reader) }
            // Without object functions hiredis parses a reply and makes nothing of it but its type's number, in place
            // of the pointer: the replies to thousands of HSETs cost no allocation.
            reader.pointee.fn = makesObjects ? objectFunctions : nil
            var reply: UnsafeMutableRawPointer?
            guard redisGetReplyFromReader(context, &reply) == REDIS_OK else {
                return end(.failed(Self.text(context)))
            }
            guard let reply else { break }
            if makesObjects {
                defer { freeReplyObject(reply) }
                dispatch(reply.assumingMemoryBound(to: redisReply.self).pointee)
            } else {
                discard(nil)
            }
        }
        if state == .ready { onReadEnd?() }
    }

    private var isAwaited: Bool {
        onPush != nil || (firstExpectation < expectations.count && expectations[firstExpectation].handler != nil)
    }

    private static func beginsWithError(_ reader: UnsafeMutablePointer<redisReader>) -> Bool {
        reader.pointee.buf[reader.pointee.pos] == CChar(bitPattern: UInt8(ascii: "-"))
    }

    private func dispatch(_ reply: redisReply) {
        if let onPush, state == .ready { return onPush(reply) }
        guard firstExpectation < expectations.count else {
            return end(.failed("a reply that nobody asked for"))
        }
        guard let handler = expectations[firstExpectation].handler else { return discard(reply) }
        advance()
        let value = RedisReply(reply)
        handler(value)
        if case .error(let text) = value { tellRefusal(text, isAwaited: true) }
    }

    private func discard(_ error: redisReply?) {
        guard firstExpectation < expectations.count else {
            return end(.failed("a reply that nobody asked for"))
        }
        expectations[firstExpectation].count -= 1
        if expectations[firstExpectation].count == 0 { advance() }
        guard let error else { return }
        errorReplies += 1
        if case .error(let text) = RedisReply(error) { tellRefusal(text, isAwaited: false) }
    }

    private func tellRefusal(_ text: String, isAwaited: Bool) {
        guard state == .ready, let onRefusal, let refusal = RedisRefusal(text, host: host) else { return }
        onRefusal(refusal, isAwaited)
    }

    /// What a node means that leaves its own host out.
    var host: String {
        if case .tcp(let host, _) = address.endpoint { host } else { "127.0.0.1" }
    }

    private func advance() {
        expectations[firstExpectation].handler = nil
        firstExpectation += 1
        if firstExpectation == expectations.count {
            expectations.removeAll(keepingCapacity: true)
            firstExpectation = 0
        } else if firstExpectation == 4_096 {
            expectations.removeFirst(firstExpectation)
            firstExpectation = 0
        }
    }
}
