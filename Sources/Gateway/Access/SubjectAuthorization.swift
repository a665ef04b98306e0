/// Whether a credential may see or act on subjects. What the scope says by itself is answered at once; who carries an order
/// or belongs to a group is asked of Postgres.
import Tracking

/// The rules. A credential without a scope may do everything. Otherwise a subject is within it
/// - if it is named, by itself or by a prefix, or is an area inside a named one;
/// - a driver also while it carries a named order or belongs to a named group;
/// - an order also while somebody carries it and all who do are within.
///
/// A viewer sees what its session names and nothing else: there only the first rule holds.
struct SubjectAuthorization {
    let assignments: AssignmentStore

    /// `then` gets those that are refused (none: all is well), or nil where Postgres would have to be asked and cannot be.
    /// It is called at once where the scope decides by itself.
    func refused(_ subjects: [Subject], for credential: Credential, then: @escaping (Set<Subject>?) -> Void) {
        guard let scope = credential.scope else { return then([]) }
        let unnamed = Set(subjects.filter { !scope.names($0) })
        let containers = scope.names.filter { $0.hasPrefix("order:") || $0.hasPrefix("group:") }
        let namesDrivers = scope.names.contains { $0.hasPrefix("driver:") }
        guard credential.party != .viewer, !unnamed.isEmpty, !containers.isEmpty || namesDrivers else {
            return then(unnamed)
        }
        var drivers: Set<DriverID> = []
        var orders: [Subject] = []
        for subject in unnamed {
            switch subject {
            case .driver(let id) where !containers.isEmpty: drivers.insert(id)
            case .order: orders.append(subject)
            case .driver, .group, .area: break
            }
        }
        guard !drivers.isEmpty || !orders.isEmpty else { return then(unnamed) }
        assignments.drivers(of: orders) { answer in
            guard case .success(let carriers) = answer else { return then(nil) }
            let asked = drivers.union(carriers.values.joined().filter { !scope.names(.driver($0)) })
            within(asked, containers) { members in
                guard let members else { return then(nil) }
                let refused = unnamed.filter { subject in
                    switch subject {
                    case .driver(let id): return !members.contains(id)
                    case .order:
                        let carrying = carriers[subject] ?? []
                        return carrying.isEmpty
                            || !carrying.allSatisfy { scope.names(.driver($0)) || members.contains($0) }
                    case .group, .area: return true
                    }
                }
                then(refused)
            }
        }
    }

    private func within(_ drivers: Set<DriverID>, _ containers: [String], then: @escaping (Set<DriverID>?) -> Void) {
        guard !drivers.isEmpty, !containers.isEmpty else { return then([]) }
        assignments.drivers(Array(drivers), within: containers) { answer in then(try? answer.get()) }
    }
}
