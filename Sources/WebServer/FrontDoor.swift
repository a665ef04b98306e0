/// Where a connection waits until its first request is whole and sound. Only then does libwebsockets get it, which would
/// hang up on half of what is wrong there without a word.
///
/// The bytes are looked at, not taken (`MSG_PEEK`), so that the library reads all of them itself. `SO_RCVLOWAT` keeps the
/// socket quiet until more than what was seen is there.
import EventLoop
import Glibc

/// The connections that have not asked for anything yet, and those that were refused and still read why.
final class FrontDoor {
    /// How long a refused client has for reading its answer, in microseconds. Closed earlier, with its bytes unread, the
    /// kernel would reset the connection, and the answer could be lost.
    private static let lingering: Int64 = 1_000_000
    /// The most that is read and dropped of a refused client.
    private static let maximumDropped = 256 << 10
    /// The most refused clients that are waited for; more are cut off.
    private static let maximumLeaving = 256

    private final class Visitor {
        let arrival: Arrival
        var poll: LoopPoll?
        var deadline: Int64
        /// How many bytes have been looked at.
        var seen = 0
        /// Whether it was answered, and how many bytes were dropped since then.
        var isLeaving = false
        var dropped = 0

        init(_ arrival: Arrival, deadline: Int64) {
            self.arrival = arrival
            self.deadline = deadline
        }
    }

    private let loop: EventLoop
    private let maximumBody: Int
    /// How long a first request may take to arrive, in microseconds.
    private let patience: Int64
    /// A connection may go on, its bytes still in the kernel.
    private let admit: (Arrival) -> Void
    /// A connection is gone.
    private let leave: (Arrival) -> Void
    /// The reply for a refusal.
    private let answer: (DoorRefusal) -> [UInt8]
    /// Somebody speaks something else than HTTP/1.
    private let meet: (RequestHead.Stranger) -> Void
    private var visitors: [Int32: Visitor] = [:]
    private var leaving = 0
    private var timer: LoopTimer?
    private let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: RequestHead.maximumBytes + 1, alignment: 16)

    init(
        loop: EventLoop, maximumBody: Int, patienceSeconds: Int, admit: @escaping (Arrival) -> Void,
        leave: @escaping (Arrival) -> Void, answer: @escaping (DoorRefusal) -> [UInt8],
        meet: @escaping (RequestHead.Stranger) -> Void
    ) {
        self.loop = loop
        self.maximumBody = maximumBody
        patience = Int64(patienceSeconds) * 1_000_000
        self.admit = admit
        self.leave = leave
        self.answer = answer
        self.meet = meet
        timer = LoopTimer(loop: loop) { [unowned self] in lookAtDeadlines() }
    }

    deinit { buffer.deallocate() }

    /// A connection has been accepted.
    func receive(_ arrival: Arrival) {
        let visitor = Visitor(arrival, deadline: SystemClock.monotonicMicroseconds() + patience)
        if visitors.isEmpty { timer?.start(afterMilliseconds: 250, everyMilliseconds: 250) }
        visitors[arrival.descriptor] = visitor
        look(visitor)
    }

    /// Answers a connection that is not let in, without reading it, and ends it.
    func turnAway(_ arrival: Arrival, _ refusal: DoorRefusal) {
        let visitor = Visitor(arrival, deadline: 0)
        if visitors.isEmpty { timer?.start(afterMilliseconds: 250, everyMilliseconds: 250) }
        visitors[arrival.descriptor] = visitor
        refuse(visitor, refusal)
    }

    /// Ends everybody who waits.
    func close() {
        for visitor in Array(visitors.values) { end(visitor) }
        timer?.close()
        timer = nil
    }

    // MARK: Waiting

    private func look(_ visitor: Visitor) {
        let descriptor = visitor.arrival.descriptor
        let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_PEEK))
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return wait(visitor) }
            return end(visitor)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count]).bindMemory(to: UInt8.self)
        switch RequestHead.judge(bytes.span, maximumBody: maximumBody) {
        case .incomplete:
            // Woken without anything new: the client has ended its side, and the request will never be whole.
            if count == visitor.seen, SocketState.hasEnded(descriptor) { return end(visitor) }
            visitor.seen = count
            setLowWater(descriptor, count + 1)
            wait(visitor)
        case .admit(let bytes):
            if visitor.seen > 0 { setLowWater(descriptor, 1) }
            forget(visitor)
            var arrival = visitor.arrival
            arrival.headBytes = bytes
            admit(arrival)
        case .refuse(let refusal): refuse(visitor, refusal)
        case .drop(let stranger):
            meet(stranger)
            end(visitor)
        }
    }

    private func wait(_ visitor: Visitor) {
        if visitor.poll == nil {
            let descriptor = visitor.arrival.descriptor
            visitor.poll = try? LoopPoll(loop: loop, descriptor: descriptor) { [unowned self] _ in
                guard let visitor = visitors[descriptor] else { return }
                if visitor.isLeaving { drain(visitor) } else { look(visitor) }
            }
        }
        guard let poll = visitor.poll else { return end(visitor) }
        poll.watch(.readable)
    }

    private func setLowWater(_ descriptor: Int32, _ bytes: Int) {
        var value = Int32(bytes)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private func lookAtDeadlines() {
        let now = SystemClock.monotonicMicroseconds()
        for visitor in Array(visitors.values) where visitor.deadline <= now {
            if visitor.isLeaving || visitor.seen == 0 {
                end(visitor)
            } else {
                let detail = "the request did not arrive in time"
                refuse(visitor, DoorRefusal(status: 408, code: "timeout", detail: detail))
            }
        }
        if visitors.isEmpty { timer?.stop() }
    }

    // MARK: Leaving

    private func refuse(_ visitor: Visitor, _ refusal: DoorRefusal) {
        let descriptor = visitor.arrival.descriptor
        let reply = answer(refusal)
        // A fresh socket has room for it; where it has none, nobody reads.
        let sent = send(descriptor, reply, reply.count, Int32(MSG_NOSIGNAL))
        guard sent == reply.count, leaving < Self.maximumLeaving else { return end(visitor) }
        shutdown(descriptor, Int32(SHUT_WR))
        if visitor.seen > 0 { setLowWater(descriptor, 1) }
        visitor.isLeaving = true
        visitor.deadline = SystemClock.monotonicMicroseconds() + Self.lingering
        leaving += 1
        drain(visitor)
    }

    /// Reads and drops until the client has closed.
    private func drain(_ visitor: Visitor) {
        while visitor.dropped < Self.maximumDropped {
            let count = recv(visitor.arrival.descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else {
                if count < 0, errno == EAGAIN || errno == EINTR { return wait(visitor) }
                break
            }
            visitor.dropped += count
        }
        end(visitor)
    }

    private func end(_ visitor: Visitor) {
        forget(visitor)
        Glibc.close(visitor.arrival.descriptor)
        leave(visitor.arrival)
    }

    private func forget(_ visitor: Visitor) {
        if visitor.isLeaving { leaving -= 1 }
        visitor.poll?.close()
        visitor.poll = nil
        visitors[visitor.arrival.descriptor] = nil
    }
}
