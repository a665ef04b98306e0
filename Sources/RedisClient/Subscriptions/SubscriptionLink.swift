/// The subscriptions of one connection to one server, and what is known of each: asked for, standing, refused.
///
/// Redis answers in order: a (un)subscribing command by one push a channel, or by one error for all of them. So each
/// command is remembered until it is answered, and an `sunsubscribe` that no command explains is the server's own: the
/// channel's slot has left it.
import CHiredis
import EventLoop

/// See the file's head. Lives on the loop's thread, from the connection's being ready to its end.
final class SubscriptionLink {
    private struct Order {
        enum Kind { case subscribe, unsubscribe, probe }
        let kind: Kind
        let channels: [String]
        let number: Int
        var answered = 0
    }

    private struct Channel {
        /// The command that last asked for it: the answer to an older one says nothing.
        var order: Int
        var isStanding = false
    }

    /// Channels in one command.
    private static let batch = 500
    /// How often a silent server must show that it is there, in milliseconds.
    private static let probeMilliseconds = 2_000
    /// How long it may be silent after that, in microseconds.
    private static let patience: Int64 = 5_000_000

    let connection: RedisConnection
    private let isSharded: Bool
    private let received: (Span<UInt8>, Span<UInt8>) -> Void
    private var channels: [String: Channel] = [:]
    private var orders: [Order] = []
    private var firstOrder = 0
    private var orderCount = 0
    private var confirmed: [String] = []
    private var probeTimer: LoopTimer?
    private var probedAt: Int64?

    /// These stand from now on.
    var onStanding: ([String]) -> Void = { _ in }
    /// These have stood and do not any more: the connection is lost, or their slot has gone elsewhere.
    var onLost: ([String]) -> Void = { _ in }
    /// These are wanted and will not stand here: this refusal, or nil for another error (such as a missing right) or a
    /// slot that has gone.
    var onRefused: ([String], RedisRefusal?) -> Void = { _, _ in }

    /// `connection` must be ready.
    init(
        loop: EventLoop, connection: RedisConnection, isSharded: Bool,
        received: @escaping (Span<UInt8>, Span<UInt8>) -> Void
    ) {
        self.connection = connection
        self.isSharded = isSharded
        self.received = received
        connection.onPush = { [unowned self] in pushed($0) }
        connection.onReadEnd = { [unowned self] in tellStanding() }
        probeTimer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { probe() } }
        probeTimer?.start(afterMilliseconds: Self.probeMilliseconds, everyMilliseconds: Self.probeMilliseconds)
    }

    var count: Int { channels.count }

    func subscribe(_ names: [String]) {
        give(.subscribe, names)
    }

    /// Forgets them without a word to `onLost`.
    func unsubscribe(_ names: [String]) {
        let known = names.filter { channels.removeValue(forKey: $0) != nil }
        give(.unsubscribe, known)
    }

    /// Those of `names` that stand.
    func standing(among names: [String]) -> [String] {
        names.filter { channels[$0]?.isStanding == true }
    }

    /// Ends the connection; returns what stood.
    func close() -> [String] {
        probeTimer?.close()
        connection.close()
        return takeStanding()
    }

    /// The connection has ended: what stood, and nothing does any more.
    func takeStanding() -> [String] {
        probeTimer?.close()
        confirmed = []
        let lost = channels.filter(\.value.isStanding).map(\.key)
        channels = [:]
        return lost
    }

    private func give(_ kind: Order.Kind, _ names: [String]) {
        var commands = RedisCommands()
        for start in stride(from: 0, to: names.count, by: Self.batch) {
            let part = Array(names[start..<min(start + Self.batch, names.count)])
            let command = kind == .subscribe ? "SUBSCRIBE" : "UNSUBSCRIBE"
            commands.command([isSharded ? "S" + command : command] + part)
            orderCount += 1
            if kind == .subscribe { for name in part { channels[name] = Channel(order: orderCount) } }
            orders.append(Order(kind: kind, channels: part, number: orderCount))
        }
        connection.send(commands)
    }

    private func probe() {
        let now = SystemClock.monotonicMicroseconds()
        if let probedAt {
            guard now - probedAt > Self.patience else { return }
            return connection.end("no reply within \(Self.patience / 1_000_000) s")
        }
        probedAt = now
        orders.append(Order(kind: .probe, channels: [], number: 0))
        var commands = RedisCommands()
        commands.command(["PING"])
        connection.send(commands)
        connection.flush()
    }

    // MARK: What the server says

    /// Message, (un)subscription, pong or error; the first's strings are only lent.
    private func pushed(_ reply: redisReply) {
        guard reply.type == REDIS_REPLY_ARRAY, reply.elements == 3, let parts = reply.element,
            let kind = parts[0], let channel = parts[1], let third = parts[2]
        else { return answered(RedisReply(reply)) }
        switch kind.pointee.len {
        case 7, 8:  // message, smessage
            if !confirmed.isEmpty { tellStanding() }
            received(Self.bytes(channel).span, Self.bytes(third).span)
        case 9, 10: subscribed(Self.text(channel))
        case 11, 12: unsubscribed(Self.text(channel))
        default: break
        }
    }

    private func subscribed(_ name: String) {
        guard firstOrder < orders.count, orders[firstOrder].kind == .subscribe else { return }
        let number = orders[firstOrder].number
        orders[firstOrder].answered += 1
        if orders[firstOrder].answered == orders[firstOrder].channels.count { advance() }
        guard channels[name]?.order == number, channels[name]?.isStanding == false else { return }
        channels[name]?.isStanding = true
        confirmed.append(name)
    }

    private func unsubscribed(_ name: String) {
        if firstOrder < orders.count, orders[firstOrder].kind == .unsubscribe,
            orders[firstOrder].channels[orders[firstOrder].answered] == name
        {
            orders[firstOrder].answered += 1
            if orders[firstOrder].answered == orders[firstOrder].channels.count { advance() }
            return
        }
        // Unasked: whatever was asked before has been answered before, whatever is asked later will be.
        guard let channel = channels.removeValue(forKey: name) else { return }
        tellStanding()
        if channel.isStanding { onLost([name]) }
        onRefused([name], nil)
    }

    /// A pong, or an error.
    private func answered(_ reply: RedisReply) {
        guard firstOrder < orders.count else { return connection.end("a reply that nobody asked for") }
        let order = orders[firstOrder]
        advance()
        if order.kind == .probe { probedAt = nil }
        guard case .error(let text) = reply, order.kind == .subscribe else { return }
        let refused = order.channels.filter { channels[$0]?.order == order.number }
        for name in refused { channels[name] = nil }
        if !refused.isEmpty { onRefused(refused, RedisRefusal(text, host: connection.host)) }
    }

    private func advance() {
        firstOrder += 1
        if firstOrder == orders.count || firstOrder == 1_024 {
            orders.removeFirst(firstOrder)
            firstOrder = 0
        }
    }

    private func tellStanding() {
        guard !confirmed.isEmpty else { return }
        let told = confirmed.filter { channels[$0]?.isStanding == true }
        confirmed = []
        if !told.isEmpty { onStanding(told) }
    }

    /// The bytes of a string, valid until the reply is freed.
    private static func bytes(_ reply: UnsafeMutablePointer<redisReply>) -> UnsafeBufferPointer<UInt8> {
        UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.str == nil ? 0 : reply.pointee.len)
            .bindMemory(to: UInt8.self)
    }

    private static func text(_ reply: UnsafeMutablePointer<redisReply>) -> String {
        String(decoding: bytes(reply), as: UTF8.self)
    }
}
