/// Who carries an order and who belongs to a group: asked of Postgres, changed there together with the audit row, and told
/// to whoever shows it, here and on other gateways.
import PostgresClient
import Tracking

/// See the file's head. Lives on the loop's thread. Questions and changes go over one connection in the order they are
/// made, so an answer is never older than a change of this process that was answered before.
final class AssignmentStore {
    /// The most drivers in one order or group.
    static let maximumDrivers = 10_000

    /// How an order's or group's drivers change.
    enum Change {
        /// To these and no others.
        case replace([DriverID])
        /// By one more.
        case add(DriverID)
        /// By one less.
        case remove(DriverID)
    }

    let postgres: PostgresQuestions?
    /// Quoted.
    let schema: String
    /// Where a platform's own tables answer.
    let platform: PlatformAssignments?
    private let bus: () -> Bus?
    /// After a committed change here: the subject and its drivers now.
    var onChange: ((Subject, [DriverID]) -> Void)?
    /// The bus says that the subject has changed, perhaps by this gateway itself: read it again.
    var onAnnouncement: ((Subject) -> Void)?

    /// `bus` tells other gateways.
    init(
        postgres: PostgresQuestions?, schema: String, platform: PlatformAssignments? = nil,
        bus: @escaping () -> Bus?
    ) {
        self.postgres = postgres
        self.platform = platform
        self.schema = quotedIdentifier(schema)
        self.bus = bus
    }

    /// Current drivers of orders and groups, sorted; every asked subject has an entry, an empty one where there is nobody. A
    /// driver's is itself, an area's is empty. Failure: Postgres cannot be asked.
    func drivers(of subjects: [Subject], then: @escaping (Result<[Subject: [DriverID]], PostgresError>) -> Void) {
        guard let platform else { return ownDrivers(of: subjects, then: then) }
        platform.drivers(of: Array(Set(subjects))) { [self] answer in
            guard case .success(let found) = answer else { return then(answer) }
            ownDrivers(of: subjects.filter { found[$0] == nil }) { own in
                then(own.map { $0.merging(found) { own, _ in own } })
            }
        }
    }

    /// The same from Drover's own tables.
    private func ownDrivers(
        of subjects: [Subject], then: @escaping (Result<[Subject: [DriverID]], PostgresError>) -> Void
    ) {
        var found: [Subject: [DriverID]] = [:]
        var orders: [String] = []
        var groups: [String] = []
        for subject in Set(subjects) {
            found[subject] = []
            switch subject {
            case .order(let id): orders.append(id.string)
            case .group(let id): groups.append(id.string)
            case .driver(let id): found[subject] = [id]
            case .area: break
            }
        }
        guard !orders.isEmpty || !groups.isEmpty else { return then(.success(found)) }
        let sql = """
            SELECT 'order:' || order_id, driver_id FROM \(schema).driver_assignments
            WHERE order_id = ANY (string_to_array($1, ',')) AND released_at IS NULL
            UNION ALL
            SELECT 'group:' || group_id, driver_id FROM \(schema).driver_groups
            WHERE group_id = ANY (string_to_array($2, ',')) ORDER BY 1, 2
            """
        postgres.askNow(sql, [orders.joined(separator: ","), groups.joined(separator: ",")]) { answer in
            then(
                answer.map { rows in
                    for row in 0..<rows.count {
                        guard let subject = rows.text(row, 0).flatMap({ Subject($0) }),
                            let driver = rows.text(row, 1).flatMap({ DriverID($0) })
                        else { continue }
                        found[subject, default: []].append(driver)
                    }
                    return found
                })
        }
    }

    /// Those of the drivers who carry or belong to what `names` names: orders and groups, or prefixes of them with a `*`.
    /// A look-up is asked about names alone: where it answers, nobody belongs to a prefix.
    func drivers(
        _ drivers: [DriverID], within names: [String], then: @escaping (Result<Set<DriverID>, PostgresError>) -> Void
    ) {
        guard let platform else { return ownDrivers(drivers, within: names, then: then) }
        let containers = names.compactMap { Subject($0) }.filter { platform.statement(for: $0) != nil }
        let kinds = ["order:", "group:"].filter { kind in
            Subject(kind + "any").map { platform.statement(for: $0) == nil } ?? false
        }
        let rest = names.filter { name in kinds.contains { name.hasPrefix($0) } }
        platform.drivers(of: containers) { [self] answer in
            guard case .success(let found) = answer else { return then(answer.map { _ in [] }) }
            let members = Set(drivers).intersection(found.values.joined())
            guard !rest.isEmpty else { return then(.success(members)) }
            ownDrivers(drivers, within: rest) { own in then(own.map { $0.union(members) }) }
        }
    }

    private func ownDrivers(
        _ drivers: [DriverID], within names: [String], then: @escaping (Result<Set<DriverID>, PostgresError>) -> Void
    ) {
        func ids(_ kind: String, prefixes: Bool) -> String {
            names.filter { $0.hasPrefix(kind) && $0.hasSuffix("*") == prefixes }
                .map { String($0.dropFirst(kind.count).dropLast(prefixes ? 1 : 0)) }.joined(separator: ",")
        }
        // A kind alone (`group:*`) has the empty prefix, which string_to_array would not tell from none.
        let everyOrder = names.contains("order:*")
        let everyGroup = names.contains("group:*")
        let sql = """
            SELECT d FROM unnest(string_to_array($1, ',')) d WHERE EXISTS (
                SELECT FROM \(schema).driver_groups g WHERE g.driver_id = d AND (\(everyGroup)
                    OR g.group_id = ANY (string_to_array($2, ','))
                    OR EXISTS (SELECT FROM unnest(string_to_array($3, ',')) p WHERE starts_with(g.group_id, p))))
            OR EXISTS (
                SELECT FROM \(schema).driver_assignments a WHERE a.driver_id = d AND a.released_at IS NULL AND (\(everyOrder)
                    OR a.order_id = ANY (string_to_array($4, ','))
                    OR EXISTS (SELECT FROM unnest(string_to_array($5, ',')) p WHERE starts_with(a.order_id, p))))
            """
        let parameters: [String?] = [
            drivers.map(\.string).joined(separator: ","), ids("group:", prefixes: false), ids("group:", prefixes: true),
            ids("order:", prefixes: false), ids("order:", prefixes: true),
        ]
        postgres.askNow(sql, parameters) { answer in
            then(
                answer.map { rows in
                    Set((0..<rows.count).compactMap { rows.text($0, 0).flatMap { DriverID($0) } })
                })
        }
    }

    /// Changes an order's or group's drivers at one stroke and gives those it has now. Repeating a change is harmless.
    /// Where the answer is lost, so is whether it was done: it can be sent again.
    func change(
        _ subject: Subject, _ change: Change, by origin: AuditOrigin,
        then: @escaping (Result<[DriverID], PostgresError>) -> Void
    ) {
        let kind: String
        let container: DriverID
        switch subject {
        case .order(let id): (kind, container) = ("order", id)
        case .group(let id): (kind, container) = ("group", id)
        case .driver, .area: preconditionFailure("\(subject.name) has no drivers to change")
        }
        let added: [DriverID]
        let removed: String?
        switch change {
        case .replace(let drivers): (added, removed) = (drivers, nil)
        case .add(let driver): (added, removed) = ([driver], "")
        case .remove(let driver): (added, removed) = ([], driver.string)
        }
        let sql = """
            SELECT array_to_string(\(schema).change_drivers(
                $1, $2, string_to_array($3, ','), string_to_array($4, ','), $5, $6), ',')
            """
        let parameters: [String?] = [
            kind, container.string, added.map(\.string).joined(separator: ","), removed, origin.actor, origin.address,
        ]
        postgres.askNow(sql, parameters) { [weak self] answer in
            let drivers = answer.map { rows in
                (rows.text(0, 0) ?? "").split(separator: ",").compactMap { DriverID(String($0)) }
            }
            if let self, case .success(let drivers) = drivers {
                onChange?(subject, drivers)
                bus()?.publish(.assigned(subject))
            }
            then(drivers)
        }
    }
}
