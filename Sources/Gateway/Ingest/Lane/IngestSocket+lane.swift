/// A device's large frames, which go through the backlog lane, and the frames behind them.
import EventLoop
import Journal
import Tracking
import WebServer

extension IngestSocket {
    /// What an entry takes in memory beside its bytes.
    private static let entryBytes = 256

    /// Puts a device's large frame into the lane.
    func setAside(_ message: Span<UInt8>, of driver: DriverIndex, _ id: DriverID) {
        // What comes after a stop has begun is not taken.
        guard connection.isOpen, gateway.isAccepting else { return }
        let now = SystemClock.wallMicroseconds()
        noteSignOfLife(now)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(message.count)
        for index in message.indices { bytes.append(message[index]) }
        let number = held.nextNumber
        var isDecoded = false
        let decode = later { [bytes] (session: IngestSocket, _: Void) in isDecoded = session.decode(bytes) }
        let entry = BacklogEntry(
            driver: driver, id: id, byteCount: bytes.count + Self.entryBytes, allowance: allowance,
            waitsForAllowance: true,
            decode: {
                isDecoded = false
                decode(())
                return isDecoded
            },
            judged: later { (session: IngestSocket, now) in session.backlogJudged(number, now) },
            refused: later { (session: IngestSocket, refusal) in session.refuse(refusal) })
        held.append(HeldFrames.Frame(entry: entry, receivedAt: now))
        gateway.lane.add(entry)
        // A device that sends faster than its backlog is worked off pays itself: its socket is not read meanwhile.
        while held.waitingBytes > Self.maximumParkedBytes, let oldest = held.entries.first {
            gateway.lane.hurry(oldest)
            guard oldest.isOver, connection.isOpen else {
                return connection.close(code: 1013, reason: "too much sent before it could be judged; retry")
            }
        }
    }

    /// A small frame was judged while frames before it wait in the lane. Its acknowledgement waits for theirs.
    func hold(_ now: Microseconds) {
        let pings = gateway.pipeline.batch.pings
        var frame = HeldFrames.Frame(entry: nil, receivedAt: now, isJudged: true)
        frame.count = pings.count
        frame.lastSequence = pings.last?.ping.sequence
        frame.rejections = rejectionsOfBatch(now)
        held.append(frame)
    }

    /// The connection is gone, and what it has in the lane with it: nothing of that was acknowledged.
    func leaveLane() {
        for entry in held.entries { gateway.lane.giveUp(entry) }
        held = HeldFrames()
    }

    private func decode(_ bytes: [UInt8]) -> Bool {
        do {
            try gateway.pipeline.decode(bytes.span, maximumPings: Self.maximumPings, allowsEnvelope: false)
            return true
        } catch {
            refuse(error)
            return false
        }
    }

    private func backlogJudged(_ number: Int, _ now: Microseconds) {
        let pings = gateway.pipeline.batch.pings
        held.judged(
            number, count: pings.count, lastSequence: pings.last?.ping.sequence, rejections: rejectionsOfBatch(now))
        let lsn = gateway.pipeline.journal.appendedLSN
        while let frame = held.takeFirstJudged() {
            for rejection in frame.rejections { note(rejection, lsn) }
            guard frame.count > 0 else { continue }
            let sequence = countIn(frame.count, lastSequence: frame.lastSequence)
            gateway.acknowledgements.wait(
                for: lsn, frameOf: self, sequence: sequence, receivedAt: frame.receivedAt)
        }
    }

    private func refuse(_ refusal: BacklogEntry.Refusal) {
        switch refusal {
        // A stop says 1001 itself, once all that was judged is acknowledged.
        case .unavailable where !gateway.isAccepting: break
        case .unavailable(let reason): connection.close(code: 1013, reason: reason + "; retry")
        case .rate(let standing): connection.close(code: 4429, reason: standing.closeReason)
        }
    }
}
