/// For which drivers a key that is limited to subjects may send pings: asked once a driver, remembered for a moment.
import EventLoop
import Tracking

/// One sender's answers. Lives on the loop's thread.
final class ScopedDrivers {
    private unowned let gateway: Gateway
    private let credential: Credential
    private var verdicts: [DriverID: Bool] = [:]
    private var forgetsAt: Microseconds = 0

    /// Nil where the credential is not limited: then nothing has to be asked.
    init?(_ credential: Credential, gateway: Gateway) {
        guard credential.scope != nil else { return nil }
        self.gateway = gateway
        self.credential = credential
    }

    /// Forgets what was asked too long ago: who belongs to the key's groups may change. Call once a batch.
    func forgetOld() {
        let now = SystemClock.monotonicMicroseconds()
        guard now >= forgetsAt else { return }
        verdicts.removeAll(keepingCapacity: true)
        forgetsAt = now + Int64(gateway.configuration.accessRefreshSeconds) * 1_000_000
    }

    /// Whether pings for the driver are taken; nil where `ask` has not found out yet.
    func verdict(for driver: DriverID) -> Bool? {
        verdicts[driver]
    }

    /// Finds out about the drivers that are not known; `then` hears whether that worked, at once where nothing has to be
    /// asked.
    func ask(_ drivers: [DriverID], then: @escaping (Bool) -> Void) {
        let unknown = Set(drivers).filter { verdicts[$0] == nil }
        guard !unknown.isEmpty else { return then(true) }
        gateway.authorization.refused(unknown.map { .driver($0) }, for: credential) { [self] refused in
            guard let refused else { return then(false) }
            for driver in unknown { verdicts[driver] = !refused.contains(.driver(driver)) }
            then(true)
        }
    }
}
