/// Which drivers a credential may see: all of them, or those within the subjects that it is limited to.
import Tracking

/// The rule behind every list of live positions.
struct VisibleDrivers {
    unowned let gateway: Gateway

    /// Those of the drivers that lie within the credential's scope, in their order; nil where Postgres would have to be
    /// asked and cannot be. `then` is called at once where nobody has to be asked.
    func among(_ drivers: [DriverIndex], for credential: Credential, then: @escaping ([DriverIndex]?) -> Void) {
        guard let scope = credential.scope else { return then(drivers) }
        // A viewer's session names orders and groups; a key's scope may name prefixes of them, which Postgres resolves.
        let containers = credential.party == .viewer ? scope.containers : []
        gateway.memberships.load(containers) { [gateway] isLoaded in
            guard isLoaded else { return then(nil) }
            let pipeline = gateway.pipeline
            let areas = scope.areas.map(\.box)
            var members: Set<DriverIndex> = []
            for container in containers {
                if let topic = pipeline.fanout.topic(container) {
                    members.formUnion(pipeline.fanout.members(of: topic))
                }
            }
            func isInside(_ driver: DriverIndex) -> Bool {
                guard !members.contains(driver) else { return true }
                guard let position = pipeline.fanout.position(of: driver) else { return false }
                return areas.contains { $0.contains(latitude: position.latitude, longitude: position.longitude) }
            }
            let others = drivers.filter { !isInside($0) }
            let subjects = others.map { Subject.driver(pipeline.drivers.id(of: $0)) }
            gateway.authorization.refused(subjects, for: credential) { refused in
                guard let refused else { return then(nil) }
                then(drivers.filter { isInside($0) || !refused.contains(.driver(pipeline.drivers.id(of: $0))) })
            }
        }
    }
}
