/// `drover erase DRIVER`: asks for an erasure as the API does, follows it to its receipt, and does the work itself where no
/// gateway holds the maintenance's lock. Interrupted, it goes on where it was when it is run again.
import DroverClient
import EventLoop
import PostgresClient
import Tracking

/// One run.
public struct EraseCommand {
    private static let pollMilliseconds = 100

    private let connection: PostgresConnection
    private let configuration: Configuration
    private let schema: String
    private let cutOff = PostgresCutOff()
    private let line = ProgressLine()

    /// Connects, and brings the schema up to date where `history.migrate` allows.
    public init(_ configuration: Configuration) throws {
        // An archive of millions of rows is written anew in one call.
        connection = try configuration.connectDirectly(cutOff: cutOff, callMilliseconds: 3_600_000)
        if configuration.historyMigrate { try configuration.migrateTables(connection) }
        self.configuration = configuration
        schema = quotedIdentifier(configuration.postgresSchema)
    }

    /// Erases a driver and returns the receipt as JSON. Throws where nothing has gone on for `waitSeconds`, saying who is
    /// waited for.
    public func erase(_ name: String, keepsRegistration: Bool, waitSeconds: Int) throws -> String {
        guard let driver = DriverID(name) else {
            throw CommandError("a driver's id is 1 to 64 characters of A-Z a-z 0-9 _ . : -")
        }
        let id = try unfinished(driver, keepsRegistration) ?? request(driver, keepsRegistration)
        defer { line.finish() }
        return try follow(id, patience: Int64(waitSeconds) * 1_000_000)
    }

    /// No erasure waits for this node's journal any more: it is gone for good. Returns what to tell.
    public func forgetNode(_ node: String) throws -> String {
        try NodeRetirement.retire(
            node: node, connection: connection, schema: configuration.postgresSchema, isForced: true)
        return "no erasure waits for node \(node) any more"
    }

    /// Erases a customer and returns the receipt as JSON: the platform's statement first, then what Drover keeps. Running
    /// gateways close the customer's sockets.
    public func erase(customer: String) throws -> String {
        guard let erasure = CustomerErasure(customer, secret: try secret(), origin: .commandLine) else {
            throw CommandError("a customer's id is 1 to 200 bytes")
        }
        let write = configuration.system.writes[.eraseCustomer]
        if let write, let statement = configuration.system.statements[write.statement] {
            let platform = try PlatformConnection(configuration, cutOff: cutOff)
            _ = try platform.run(statement, ["customer": customer])
        }
        let rows = try connection.query(CustomerErasure.statement(schema), erasure.parameters)
        let sessions = (0..<rows.count).compactMap { rows.text($0, 0) }
        let copies = (0..<rows.count).compactMap { rows.text($0, 1) }.map { SessionCopies.key($0) }
        do {
            let redis = ErasureRedis(configuration)
            _ = try redis.delete(copies + [erasure.arrivalsKey(configuration)].compactMap { $0 })
            try redis.tell(sessions.map { .revoked($0) })
        } catch {
            line.note("gateways find out within \(configuration.accessRefreshSeconds) s: \(error)")
        }
        return erasure.receipt(sessions: rows.count, platform: write != nil)
    }

    private func secret() throws -> [UInt8] {
        if let configured = AuditSecret.configured(configuration) { return configured }
        let kept = try connection.query(AuditSecret.question(schema)).text(0, 0).flatMap { AuditSecret.bytes($0) }
        guard let kept else { throw CommandError("the table audit_key has no secret. Set DROVER_ACCESS_AUDIT_KEY") }
        return kept
    }

    /// An earlier run's request, or the API's, that is under way.
    private func unfinished(_ driver: DriverID, _ keepsRegistration: Bool) throws -> String? {
        let rows = try connection.query(
            """
            SELECT id FROM \(schema).erasures WHERE finished_at IS NULL AND driver_id = $1
                AND keeps_registration = $2::boolean ORDER BY requested_at, id LIMIT 1
            """, [driver.string, "\(keepsRegistration)"])
        guard rows.count == 1, let id = rows.text(0, 0) else { return nil }
        line.note("going on with erasure \(id)")
        return id
    }

    private func request(_ driver: DriverID, _ keepsRegistration: Bool) throws -> String {
        let request = ErasureRequest(
            driver: driver, pseudonym: Pseudonym(of: driver, secret: try secret()),
            reachesTo: SystemClock.wallMicroseconds(), keepsRegistration: keepsRegistration, origin: .commandLine,
            node: nil)
        let devices = try connection.query(request.statement(schema), request.parameters)
        let revoked = (0..<devices.count).compactMap { devices.text($0, 0) }.map { ControlMessage.revoked($0) }
        do {
            try ErasureRedis(configuration).tell(revoked + [.erasure(request.id)])
        } catch {
            line.note("gateways find out within \(configuration.accessRefreshSeconds) s: \(error)")
        }
        return request.id
    }

    private func follow(_ id: String, patience: Int64) throws -> String {
        var last = ""
        var deadline = SystemClock.monotonicMicroseconds() + patience
        while true {
            try work()
            let rows = try connection.query(
                "SELECT \(Erasure.columns(schema)) FROM \(schema).erasures WHERE id = $1", [id])
            guard rows.count == 1, let erasure = Erasure(rows, 0) else {
                throw CommandError("erasure \(id) is not in Postgres any more. Run this again")
            }
            if let receipt = erasure.receipt { return receipt }
            if erasure.document != last {
                last = erasure.document
                deadline = SystemClock.monotonicMicroseconds() + patience
            }
            line.update(fraction: erasure.fraction) { erasure.text }
            guard SystemClock.monotonicMicroseconds() < deadline else { throw erasure.standstill }
            cutOff.pause(milliseconds: Self.pollMilliseconds)
        }
    }

    /// Does what can be done now, where no gateway leads the maintenance.
    private func work() throws {
        let name = configuration.postgresSchema
        guard try MaintenanceLock.tryLead(connection, schema: name) else { return }
        try MaintenanceLock.whileAlone(connection, schema: name, withinMilliseconds: 60_000) {
            let executor = ErasureExecutor(connection, configuration, cutOff: cutOff)
            while try executor.advance() == .advanced {}
        }
        try MaintenanceLock.endLead(connection, schema: name)
    }
}

extension Erasure {
    /// How much of the way is done: every step counts the same, and the parts of a step within it.
    fileprivate var fraction: Double {
        let steps = Step.allCases
        let within = progress.of.map { Double(progress.done ?? 0) / Double(max(1, $0)) } ?? 0
        return (Double(steps.firstIndex(of: step) ?? 0) + within) / Double(steps.count)
    }

    fileprivate var text: String {
        let parts = progress.of.map { " \(progress.done ?? 0) of \($0)" } ?? ""
        return step == .journals && !awaiting.isEmpty
            ? "waiting for the journals of \(awaiting.joined(separator: ", "))" : "\(step.rawValue)\(parts)"
    }

    /// Why nothing goes on, and what to do about it.
    fileprivate var standstill: CommandError {
        guard step == .journals, !awaiting.isEmpty else {
            return CommandError("erasure \(id) stands at \(step.rawValue); see the gateways' logs, run again to go on")
        }
        return CommandError(
            "erasure \(id) waits for the journals of \(awaiting.joined(separator: ", ")): start their gateways and run "
                + "again to go on; of one that is gone for good: drover erase --forget-node NODE")
    }
}
