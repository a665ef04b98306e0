/// What a gateway does with what others tell it over the bus, and what it looks for now and then in case the bus missed it.

extension Gateway {
    /// A message of the bus, perhaps of this process.
    func heard(_ message: ControlMessage) {
        switch message {
        case .revoked(let id): access.revoke(id)
        case .assigned(let subject):
            assignments.onAnnouncement?(subject)
            orders.heard(of: subject)
        case .happened(let subject): orders.heard(of: subject)
        case .driverState(let driver): onDriverState?(driver)
        case .erasure:
            erasures.look()
            maintenance?.wake()
        }
    }

    /// Reads again what others may have changed. Called every `access.refresh_s`, and when the bus is back.
    func lookAgain() {
        memberships.look()
        erasures.look()
        shifts.look()
        orders.events.look()
    }
}
