/// Tells a platform who began and ceased to watch what, for its own trail of who looked at whom: rows for the write
/// `watched`, gathered for a second and written in order.
import EventLoop
import PostgresClient
import Tracking

/// See the file's head. While the database is away rows wait, up to `maximumBytes`; then the newest are dropped and counted,
/// so that the trail is whole up to a known moment. A row that is told twice, because the answer to the first was lost, has
/// the same `event_id`. Lives on the loop's thread; `close()` ends it.
final class Watching {
    /// What waits at most, in bytes: some forty thousand rows.
    static let maximumBytes = 8 << 20
    /// Rows in one run of the statement.
    private static let batch = 1_000
    /// The most drivers that one row names; of larger groups the first of them.
    private static let maximumDrivers = 100
    private static let milliseconds = 1_000

    /// What somebody did.
    enum Action: String {
        case started = "watch_started"
        case ended = "watch_ended"
    }

    private let database: SystemDatabase
    private let statement: String
    private var rows: [[UInt8]] = []
    private var bytes = 0
    private var timer: LoopTimer?
    private var isWriting = false
    /// Who waits at the end of the process until nothing does any more.
    private var whenWritten: (() -> Void)?
    private var mustEnd = false
    /// How many rows the next run takes: fewer after one was refused, down to the row that is at fault.
    private var take = Watching.batch
    /// Rows that were dropped because too many waited.
    private(set) var dropped = 0
    /// Rows that the platform's tables refuse.
    private(set) var refused = 0
    /// Rows that were written.
    private(set) var written = 0

    /// Nil where the platform has no such write.
    init?(loop: EventLoop, _ database: SystemDatabase?, _ configuration: SystemConfiguration) {
        guard let database, let write = configuration.writes[.watched] else { return nil }
        self.database = database
        statement = write.statement
        timer = LoopTimer(loop: loop) { [unowned self] in mustEnd ? finished() : self.write() }
    }

    func close() {
        timer?.close()
        timer = nil
    }

    /// Rows that wait.
    var waiting: Int { rows.count }

    /// Somebody whom the platform knows began or ceased to watch a subject, behind which these drivers are.
    func note(_ action: Action, _ subject: Subject, by credential: Credential, _ drivers: [DriverID]) {
        guard let user = credential.userID else { return }
        let row = Self.row(action, subject, user, drivers)
        guard bytes + row.count <= Self.maximumBytes else {
            dropped += 1
            return
        }
        bytes += row.count
        rows.append(row)
        if let timer, !timer.isActive, !isWriting { timer.start(afterMilliseconds: Self.milliseconds) }
    }

    private static func row(_ action: Action, _ subject: Subject, _ user: String, _ drivers: [DriverID]) -> [UInt8] {
        var writer = JSONWriter()
        writer.raw("{\"event_id\":\"\(identifier())\",\"user_id\":")
        writer.string(user)
        writer.raw(",\"subject\":")
        writer.string(subject.name)
        let (kind, id) =
            switch subject {
            case .driver(let id): ("driver", id.string)
            case .order(let id): ("order", id.string)
            case .group(let id): ("group", id.string)
            case .area(let area): ("area", area.text)
            }
        writer.raw(",\"kind\":\"\(kind)\",\"id\":")
        writer.string(id)
        writer.raw(",\"action\":\"\(action.rawValue)\",\"at\":\"")
        writer.raw(Timestamp.fineString(SystemClock.wallMicroseconds()))
        writer.raw("\",\"drivers\":[")
        for (index, driver) in drivers.prefix(maximumDrivers).enumerated() {
            if index > 0 { writer.raw(",") }
            writer.id(driver)
        }
        writer.raw("]}")
        return writer.bytes
    }

    /// A random UUID (RFC 9562 section 5.4).
    private static func identifier() -> String {
        var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return text
    }

    // MARK: Writing

    /// Writes what waits, now; `then` hears when all is written, or could not be, or `milliseconds` are over.
    func finish(withinMilliseconds milliseconds: Int, then: @escaping () -> Void) {
        guard let timer, isWriting || !rows.isEmpty else { return then() }
        whenWritten = then
        write()
        // Where that took no time, somebody has heard already.
        guard whenWritten != nil else { return }
        mustEnd = true
        timer.start(afterMilliseconds: milliseconds)
    }

    private func finished() {
        let then = whenWritten
        whenWritten = nil
        then?()
    }

    private func write() {
        guard !isWriting else { return }
        guard !rows.isEmpty else { return finished() }
        isWriting = true
        let batch = Array(rows.prefix(take))
        var json: [UInt8] = [UInt8(ascii: "[")]
        for (index, row) in batch.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json += row
        }
        json.append(UInt8(ascii: "]"))
        database.run(statement, ["rows": .rows(json)]) { [weak self] answer in
            guard let self else { return }
            isWriting = false
            let goesOn: Bool
            switch answer {
            case .success:
                written += batch.count
                remove(batch.count)
                take = min(take * 2, Self.batch)
                goesOn = true
            case .failure(let error): goesOn = failed(batch.count, error)
            }
            if goesOn, !rows.isEmpty { return write() }
            if !rows.isEmpty { timer?.start(afterMilliseconds: Self.milliseconds) }
            finished()
        }
    }

    /// Whether to go on at once.
    private func failed(_ count: Int, _ error: PostgresError) -> Bool {
        guard [.data, .unique].contains(error.kind) else { return false }
        // One row is at fault: the others must not wait for ever behind it.
        if count == 1 {
            refused += 1
            remove(1)
        }
        take = max(1, count / 2)
        return true
    }

    private func remove(_ count: Int) {
        bytes -= rows.prefix(count).reduce(0) { $0 + $1.count }
        rows.removeFirst(count)
    }
}
