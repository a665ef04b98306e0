/// Which devices report, since when and with which app: kept in memory as they are heard and brought to the table
/// `driver_sessions` in batches, so that a ping costs a store to memory and no write.
///
/// Every `history.sessions_s` what has changed is written; that a device came or went is written within a second. While
/// Postgres is away the newest state waits here. What is written never goes back, whichever gateway writes last.
import EventLoop
import PostgresClient
import Tracking
import WebServer

/// Lives on the loop's thread.
final class DriverSessions {
    /// Names a device's record while it is connected.
    typealias Slot = Int

    /// The most devices that are remembered; what others do is then not written until some are forgotten. Some 300 bytes
    /// each.
    static let capacity = 200_000
    /// The most rows of one statement.
    private static let batch = 1_000
    /// How soon a coming or going is written, in milliseconds: together with the others of that time.
    private static let soonMilliseconds = 1_000

    private let store: DriverSessionStore
    /// Hears the same rows for the platform's own table; nil where it has none.
    private let seen: SeenWrite?
    private let interval: Int
    private let limit: Int
    private var records: [DriverSessionRecord] = []
    /// Apart from the records, so that a ping stores one number.
    private var lastSeen: [Microseconds] = []
    private var free: [Slot] = []
    private var slots: [DriverSessionKey: Slot] = [:]
    private var timer: LoopTimer?
    private var soonTimer: LoopTimer?
    /// Who came or went since the last look.
    private var urgent: [Slot] = []
    /// What is to be written, each once.
    private var queue: [Slot] = []
    private var isWriting = false
    /// Whether rows of a process before this one that still say connected were put right.
    private var hasTidied = false
    private var isFinishing = false
    /// Set while everything is written for the last time.
    private var whenFinished: (() -> Void)?
    /// Devices that were not remembered because there were too many.
    private(set) var forgotten = 0
    /// Rows written.
    private(set) var rowsWritten = 0

    init(
        store: DriverSessionStore, seen: SeenWrite? = nil, intervalSeconds: Int, limit: Int = DriverSessions.capacity
    ) {
        self.store = store
        self.seen = seen
        self.limit = limit
        interval = min(intervalSeconds, seen?.everySeconds ?? .max) * 1_000
    }

    /// Begins to write.
    func start(_ loop: EventLoop) {
        timer = LoopTimer(loop: loop) { [unowned self] in
            enqueueAll()
            writeNext()
        }
        soonTimer = LoopTimer(loop: loop) { [unowned self] in
            for slot in urgent where records[slot].isUrgent { enqueue(slot) }
            urgent.removeAll(keepingCapacity: true)
            writeNext()
        }
        timer?.start(afterMilliseconds: interval, everyMilliseconds: interval)
    }

    /// Writes what is left, then calls `then`: at latest when Postgres has left two questions unanswered for
    /// `milliseconds` each.
    func finish(withinMilliseconds milliseconds: Int, then: @escaping () -> Void) {
        store.deadlineMilliseconds = milliseconds
        timer?.close()
        soonTimer?.close()
        (timer, soonTimer) = (nil, nil)
        whenFinished = then
        // Sockets that do not answer their close are still open here, and end with the process.
        for slot in slots.values where records[slot].connections > 0 {
            records[slot].connections = 0
            change(slot)
        }
        isFinishing = true
        enqueueAll()
        writeNext()
    }

    // MARK: What devices do

    /// A device has connected. Nil where it is not remembered.
    func connected(_ device: DriverSessionKey, app: String?, now: Microseconds) -> Slot? {
        guard let slot = slot(device, app, now) else { return nil }
        if records[slot].connections == 0 { records[slot].connectedSince = now }
        records[slot].connections += 1
        change(slot)
        return slot
    }

    /// A frame came from a connected device. Hot path.
    @inline(__always)
    func heard(_ slot: Slot, now: Microseconds) {
        lastSeen[slot] = now
    }

    /// A connected device is gone.
    func disconnected(_ slot: Slot) {
        guard !isFinishing else { return }
        records[slot].connections -= 1
        if records[slot].connections == 0 { change(slot) }
    }

    /// A device has sent a request.
    func requested(_ device: DriverSessionKey, app: String?, now: Microseconds) {
        _ = slot(device, app, now)
    }

    /// A driver is being erased: what was heard until `reach` brings no row back. A device that is connected shows again
    /// with its next frame.
    func forget(_ driver: DriverID, through reach: Microseconds) {
        for (device, slot) in slots where device.driver == driver && lastSeen[slot] <= reach {
            records[slot].written = lastSeen[slot]
            removeIfOver(slot)
        }
    }

    /// The driver's devices were revoked and are being erased: nothing of those that are known now is written any more,
    /// whatever they sent between the request and the end of their connections.
    func end(_ driver: DriverID) {
        for (device, slot) in slots where device.driver == driver && device.device != DriverSessionKey.signed {
            records[slot].isErased = true
            removeIfOver(slot)
        }
    }

    private func slot(_ device: DriverSessionKey, _ app: String?, _ now: Microseconds) -> Slot? {
        if let slot = slots[device] {
            lastSeen[slot] = now
            if let app, app != records[slot].app { records[slot].app = app }
            return slot
        }
        guard slots.count < limit else {
            forgotten += 1
            return nil
        }
        let record = DriverSessionRecord(device: device, app: app, firstSeen: now)
        let slot: Slot
        if let last = free.popLast() {
            slot = last
            records[slot] = record
            lastSeen[slot] = now
        } else {
            slot = records.count
            records.append(record)
            lastSeen.append(now)
        }
        slots[device] = slot
        return slot
    }

    private func change(_ slot: Slot) {
        if !records[slot].isUrgent { urgent.append(slot) }
        records[slot].isUrgent = true
        records[slot].changes += 1
        if let soonTimer, !soonTimer.isActive { soonTimer.start(afterMilliseconds: Self.soonMilliseconds) }
    }

    // MARK: Writing

    private func enqueueAll() {
        for slot in slots.values where hasNews(slot) { enqueue(slot) }
    }

    private func hasNews(_ slot: Slot) -> Bool {
        !records[slot].isErased && (records[slot].isUrgent || lastSeen[slot] > records[slot].written)
    }

    private func enqueue(_ slot: Slot) {
        guard !records[slot].isQueued else { return }
        records[slot].isQueued = true
        queue.append(slot)
    }

    /// Writes a batch of the queue, and at its end the next; what fails is gathered again after the interval.
    private func writeNext() {
        guard !isWriting else { return }
        guard !queue.isEmpty else { return ended() }
        guard hasTidied else { return tidy() }
        var rows: [DriverSessionRow] = []
        while rows.count < Self.batch, let slot = queue.popLast() {
            records[slot].isQueued = false
            if hasNews(slot) {
                rows.append(DriverSessionRow(slot: slot, record: records[slot], lastSeen: lastSeen[slot]))
            } else {
                removeIfOver(slot)
            }
        }
        guard !rows.isEmpty else { return ended() }
        seen?.note(rows)
        isWriting = true
        store.write(rows) { [self] isDone in
            isWriting = false
            guard isDone else { return failed() }
            rowsWritten += rows.count
            for row in rows { written(row) }
            writeNext()
        }
    }

    private func written(_ row: DriverSessionRow) {
        let slot = row.slot
        // Forgotten meanwhile; the slot may be another's.
        guard slots[row.record.device] == slot else { return }
        records[slot].written = max(records[slot].written, row.lastSeen)
        if records[slot].changes == row.record.changes { records[slot].isUrgent = false }
        removeIfOver(slot)
    }

    /// Forgets a device that is not connected and has nothing to be written.
    private func removeIfOver(_ slot: Slot) {
        let record = records[slot]
        guard record.connections == 0, !record.isQueued, !hasNews(slot) else { return }
        slots[record.device] = nil
        free.append(slot)
    }

    /// A process that crashed left its devices connected.
    private func tidy() {
        isWriting = true
        store.disconnectAll { [self] isDone in
            isWriting = false
            hasTidied = isDone
            if isDone { writeNext() } else { failed() }
        }
    }

    private func failed() {
        for slot in queue { records[slot].isQueued = false }
        queue.removeAll(keepingCapacity: true)
        ended()
    }

    private func ended() {
        whenFinished?()
        whenFinished = nil
    }
}

/// Whose session it is.
struct DriverSessionKey: Hashable {
    let driver: DriverID
    /// The device's id; `jwt` for devices whose tokens the platform signs, since each of those tokens has another id.
    let device: String

    /// What stands for all of the driver's signed tokens.
    static let signed = "jwt"

    /// Nil where the credential is not a device's.
    init?(_ credential: Credential) {
        guard case .device(let driver) = credential.party else { return nil }
        self.driver = driver
        device = credential.id.hasPrefix("jwt:") ? Self.signed : credential.id
    }
}

/// What is known of it.
struct DriverSessionRecord {
    let device: DriverSessionKey
    /// When it was heard of for the first time since it was last forgotten here.
    let firstSeen: Microseconds
    /// Its User-Agent, as `DriverSessions.app` cuts it.
    var app: String?
    /// Open connections here.
    var connections = 0
    /// When the first of them opened, or of the last ones that there were. Nil where it never was connected here.
    var connectedSince: Microseconds?
    /// Its last sign of life that Postgres has.
    var written: Microseconds = 0
    /// Whether it came or went since it was written.
    var isUrgent = false
    /// Whether nothing of it may be written any more.
    var isErased = false
    /// Whether it waits to be written.
    var isQueued = false
    /// Counts that, to tell what changed while it was written.
    var changes = 0

    init(device: DriverSessionKey, app: String?, firstSeen: Microseconds) {
        self.device = device
        self.firstSeen = firstSeen
        self.app = app
    }
}

extension DriverSessions {
    /// The longest name of an app that is kept, in characters.
    private static let longestApp = 100

    /// What is kept of a User-Agent: without control characters, and not all of a long one. Nil where nothing is left.
    static func app(_ request: WebRequest) -> String? {
        guard let header = request.headers["user-agent"] else { return nil }
        let kept = header.unicodeScalars.filter { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: kept.prefix(longestApp))
        return text.isEmpty ? nil : String(text)
    }
}
