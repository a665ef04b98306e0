// One gateway for all tests that neither stop it nor look at its totals.

import Testing

/// A gateway that lives as long as the tests, and a key for everything.
struct SharedGateway {
    let gateway: RunningGateway
    let key: String

    /// Sound though `RunningGateway` is not `Sendable`: made once, and used by the tests of `Integration`, which run one
    /// after another.
    nonisolated(unsafe) private static let made = Result {
        let gateway = try RunningGateway()
        return SharedGateway(gateway: gateway, key: try gateway.key())
    }

    static func get() throws -> SharedGateway {
        try made.get()
    }
}
