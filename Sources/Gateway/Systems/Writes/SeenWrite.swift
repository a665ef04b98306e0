/// Which devices report, into a platform's own table of sessions, beside Drover's `driver_sessions`.
///
/// Rows are `driver_id`, `device_id` (the credential's id; `jwt` for all that the platform signs), `app_version`,
/// `first_seen` (since when it was heard of without Drover's forgetting it), `last_seen` (both RFC 3339 in UTC), and
/// `connected`.
import EventLoop
import Tracking

/// Devices wait here once each, as they were last heard of. Lives on the loop's thread.
final class SeenWrite {
    private let write: RowWrite<DriverSessionRow>
    private var heard: [DriverSessionKey: DriverSessionRow] = [:]
    private var timer: LoopTimer?
    /// Time between two runs, in seconds.
    let everySeconds: Int
    /// Devices that were left out because too many waited.
    private(set) var dropped = 0

    init(_ loop: EventLoop, _ database: SystemDatabase, _ configuration: SystemWrite) {
        everySeconds = configuration.everySeconds
        write = RowWrite(database, configuration.statement) { row, writer in
            row.append(to: &writer)
            return true
        }
        write.putBack = { [unowned self] rows in
            for row in rows where heard[row.record.device] == nil { heard[row.record.device] = row }
        }
        timer = LoopTimer(loop: loop) { [unowned self] in begin() }
        timer?.start(afterMilliseconds: everySeconds * 1_000, everyMilliseconds: everySeconds * 1_000)
    }

    var progress: WriteProgress { write.progress }

    func close() {
        timer?.close()
        timer = nil
    }

    /// Devices were heard of, or came or went.
    func note(_ rows: [DriverSessionRow]) {
        for row in rows {
            guard heard.count < DriverSessions.capacity || heard[row.record.device] != nil else {
                dropped += 1
                continue
            }
            heard[row.record.device] = row
        }
    }

    private func begin() {
        guard !write.isBusy else { return }
        let rows = Array(heard.values)
        heard = [:]
        write.write(rows)
    }

    /// Writes what is left, once.
    func finish(then: @escaping () -> Void) {
        close()
        write.whenIdle { [self] in
            begin()
            write.whenIdle(then)
        }
    }
}

extension DriverSessionRow {
    fileprivate func append(to writer: inout JSONWriter) {
        writer.raw("{\"driver_id\":")
        writer.id(record.device.driver)
        writer.raw(",\"device_id\":")
        writer.string(record.device.device)
        if let app = record.app {
            writer.raw(",\"app_version\":")
            writer.string(app)
        }
        writer.raw(",\"first_seen\":\"\(Timestamp.fineString(record.firstSeen))\"")
        writer.raw(",\"last_seen\":\"\(Timestamp.fineString(lastSeen))\"")
        writer.raw(",\"connected\":\(record.connections > 0)}")
    }
}
