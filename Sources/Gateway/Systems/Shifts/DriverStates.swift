/// Which drivers are out of service, in Drover's table `driver_states`: one who is, is never on shift; one who was put back
/// is so from that moment on, and what his phone kept of the time before does not count.
import PostgresClient
import Tracking

/// What was last said of a driver.
struct DriverActivity: Equatable {
    let isActive: Bool
    let changedAt: Microseconds

    /// What is left of shifts.
    func limit(_ shifts: Shifts) -> Shifts {
        isActive
            ? shifts.clipped(from: changedAt, until: .max) : shifts.clipped(from: .min, until: changedAt)
    }
}

/// Reads the table. Lives on the loop's thread.
struct DriverStates {
    /// The most drivers that are read: what is beyond is taken for active, and the log says so.
    static let maximum = 100_000

    private let postgres: PostgresQuestions?
    private let sql: String

    /// `retention` is the age beyond which pings are refused anyway, in days.
    init(postgres: PostgresQuestions?, schema: String, retentionDays: Int) {
        self.postgres = postgres
        sql = """
            SELECT driver_id, is_active, (extract(epoch FROM changed_at) * 1000000)::bigint
            FROM \(quotedIdentifier(schema)).driver_states
            WHERE (driver_id = $1 OR $1 IS NULL)
                AND (NOT is_active OR changed_at > now() - interval '\(max(1, retentionDays)) days')
            ORDER BY is_active, changed_at DESC LIMIT \(Self.maximum)
            """
    }

    /// Whether it can be read now.
    var isReadable: Bool { postgres?.isConnected == true }

    /// What is said of all drivers, or of one; nil where Postgres cannot be asked.
    func read(_ driver: DriverID?, then: @escaping ([DriverID: DriverActivity]?) -> Void) {
        guard let postgres, postgres.isConnected else { return then(nil) }
        let isAsked = postgres.ask(sql, [driver?.string], deadlineMilliseconds: 5_000) { answer in
            guard case .success(let rows) = answer else { return then(nil) }
            var states: [DriverID: DriverActivity] = [:]
            for row in 0..<rows.count {
                guard let driver = rows.text(row, 0).flatMap({ DriverID($0) }), let isActive = rows.flag(row, 1),
                    let changedAt = rows.integer(row, 2)
                else { continue }
                states[driver] = DriverActivity(isActive: isActive, changedAt: changedAt)
            }
            then(states)
        }
        if !isAsked { then(nil) }
    }
}
