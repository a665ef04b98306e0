/// Who carries an order and who belongs to a group, as a platform's own tables say: its look-ups answer instead of Drover's
/// tables, orders and groups each for themselves.
import PostgresClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class PlatformAssignments {
    private let orders: LookUp?
    private let groups: LookUp?
    private let configuration: SystemConfiguration
    /// Somebody may carry or belong to something else now.
    var onChange: (() -> Void)? {
        didSet {
            orders?.onChange = onChange
            groups?.onChange = onChange
        }
    }

    /// Nil where neither look-up is configured.
    init?(_ database: SystemDatabase?, _ configuration: SystemConfiguration) {
        orders = LookUp(database, configuration, .orderDrivers)
        groups = LookUp(database, configuration, .groupDrivers)
        self.configuration = configuration
        if orders == nil, groups == nil { return nil }
    }

    /// The statement that says who the subject's drivers are; nil where Drover's own table does.
    func statement(for subject: Subject) -> String? {
        switch subject {
        case .order: orders == nil ? nil : configuration.lookUps[.orderDrivers]
        case .group: groups == nil ? nil : configuration.lookUps[.groupDrivers]
        case .driver, .area: nil
        }
    }

    /// Drivers of orders and groups that have a statement, sorted; every one of them has an entry. Failure: the platform's
    /// database cannot be asked.
    func drivers(of subjects: [Subject], then: @escaping (Result<[Subject: [DriverID]], PostgresError>) -> Void) {
        var orderIDs: [String] = []
        var groupIDs: [String] = []
        for subject in subjects where statement(for: subject) != nil {
            switch subject {
            case .order(let id): orderIDs.append(id.string)
            case .group(let id): groupIDs.append(id.string)
            case .driver, .area: break
            }
        }
        find(orderIDs, orders, Subject.order) { [self] carriers in
            guard case .success(let carriers) = carriers else { return then(carriers) }
            find(groupIDs, groups, Subject.group) { members in
                then(members.map { $0.merging(carriers) { own, _ in own } })
            }
        }
    }

    private func find(
        _ ids: [String], _ lookUp: LookUp?, _ kind: @escaping (DriverID) -> Subject,
        then: @escaping (Result<[Subject: [DriverID]], PostgresError>) -> Void
    ) {
        guard let lookUp, !ids.isEmpty else { return then(.success([:])) }
        lookUp.find(ids) { answer in
            then(
                answer.map { found in
                    var drivers: [Subject: [DriverID]] = [:]
                    for (id, rows) in found {
                        guard let id = DriverID(id) else { continue }
                        // What is no driver's id cannot be one: such a row counts for nobody.
                        drivers[kind(id)] = Set(rows.compactMap { $0["driver_id"].flatMap { DriverID($0) } })
                            .sorted { $0.string < $1.string }
                    }
                    return drivers
                })
        }
    }
}
