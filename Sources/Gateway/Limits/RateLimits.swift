/// Every limit of a rate: requests by address and by credential, pings by credential. What goes beyond one is refused
/// before anything is done for it, with the time after which it will be taken.
///
/// Requests are limited on the monotonic clock. Pings are on the wall clock, which their receipt is read from anyway: set
/// forward it fills the buckets, set back it stops filling them for a moment.
import RedisClient
import Tracking
import WebServer

/// See the file's head. Lives on the loop's thread.
final class RateLimits {
    /// Whom a limit is about: the label of `drover_rate_limited_total`.
    enum Scope: Int, CaseIterable {
        case device, key, address, viewer
    }

    /// What a client has left.
    struct Standing {
        var basis: Basis
        /// Requests that are left now.
        var remaining: Int64
        /// Microseconds until all of them are there again, or, where it was refused, until one is.
        var wait: Microseconds
    }

    /// What a client is limited to.
    enum Basis {
        /// A rate in the long run, and a burst.
        case rate(RateLimit)
        /// A key's own: so many in a period.
        case quota(RequestQuota)
    }

    /// Whether a request is taken.
    enum Decision {
        /// It is; nil where nothing limits it.
        case taken(Standing?)
        case refused(Standing)
    }

    /// What a failed credential costs an address, in requests: guessing is slower than working.
    private static let failureCost = 10

    private let exempt: AddressRanges
    private let proxies: AddressRanges
    private var addresses: BucketTable<NetworkAddress>
    private var credentials: BucketTable<String>
    private var devicePings: BucketTable<String>
    private var keyPings: BucketTable<String>
    private let shared: SharedCounters
    private let quotas = Quotas()
    /// What a viewer's frames are limited to.
    let viewerFrames: RateLimit
    /// Refusals by `Scope`.
    private(set) var refusals = InlineArray<4, Int>(repeating: 0)

    /// - Parameters:
    ///   - exempt: addresses that no limit an address applies to.
    ///   - proxies: those that speak for others, and have none either.
    init(_ configuration: Configuration, exempt: AddressRanges, proxies: AddressRanges) {
        self.exempt = exempt
        self.proxies = proxies
        addresses = BucketTable(
            RateLimit(perSecond: configuration.limitsAddressRequestsPerSecond, burst: configuration.limitsAddressBurst))
        credentials = BucketTable(
            RateLimit(perSecond: configuration.limitsKeyRequestsPerSecond, burst: configuration.limitsKeyBurst))
        devicePings = BucketTable(
            RateLimit(perSecond: configuration.limitsDevicePingsPerSecond, burst: configuration.limitsDeviceBurst))
        keyPings = BucketTable(
            RateLimit(
                perSecond: configuration.limitsKeyPingsPerSecond, burst: configuration.limitsKeyPingsPerSecond * 10))
        viewerFrames = RateLimit(
            perSecond: configuration.limitsViewerFramesPerSecond, burst: configuration.limitsViewerFramesPerSecond * 10)
        shared = SharedCounters(
            windowSeconds: configuration.limitsWindowSeconds, key: configuration.limitsCounterKey)
    }

    /// A refusal was decided elsewhere.
    func count(_ scope: Scope) {
        refusals[scope.rawValue] += 1
    }

    /// Tells Redis what was used since the last call, and learns what all processes have seen.
    func share(_ redis: RedisStore, now: @escaping () -> Microseconds) {
        shared.share(redis, now: now)
        quotas.share(redis, key: { [shared] in shared.key($0, Quotas.endpoint) }, now: now)
    }

    // MARK: Requests

    /// A request has come from an address; nil is one that has no limit, such as a socket's of another family.
    func admit(address: NetworkAddress?, endpoint: String, now: Microseconds) -> Decision {
        guard let client = limited(address) else { return .taken(nil) }
        return admit(client, "\(client)", &addresses, endpoint, .address, now)
    }

    /// Who is counted: an IPv4 address, or the 64 bits of an IPv6 address that its network has (RFC 6177).
    private func limited(_ address: NetworkAddress?) -> NetworkAddress? {
        guard !addresses.limit.isUnlimited, let address, !exempt.contains(address), !proxies.contains(address) else {
            return nil
        }
        return address.client
    }

    /// A request's credential is good.
    func admit(_ credential: Credential, endpoint: String, now: Microseconds) -> Decision {
        if let quota = credential.quota { return admit(credential, quota, now) }
        guard !credentials.limit.isUnlimited else { return .taken(nil) }
        return admit(credential.id, credential.id, &credentials, endpoint, Self.scope(of: credential), now)
    }

    /// A credential's own limit stands instead of the configured one.
    private func admit(_ credential: Credential, _ quota: RequestQuota, _ now: Microseconds) -> Decision {
        let (isTaken, left) = quotas.take(credential.id, quota, now: now)
        let standing = Standing(basis: .quota(quota), remaining: left.remaining, wait: left.wait)
        guard !isTaken else { return .taken(standing) }
        refusals[Self.scope(of: credential).rawValue] += 1
        return .refused(standing)
    }

    /// A request's credential was refused: its address pays.
    func failed(address: NetworkAddress?, endpoint: String, now: Microseconds) {
        guard let client = limited(address) else { return }
        let index = addresses.index(of: client, now: now)
        addresses[index].charge(Self.failureCost, addresses.limit, now: now)
        shared.add(Self.failureCost, of: "\(client)", endpoint: endpoint, addresses.limit)
    }

    private func admit<Client>(
        _ client: Client, _ name: String, _ table: inout BucketTable<Client>, _ endpoint: String, _ scope: Scope,
        _ now: Microseconds
    ) -> Decision {
        let limit = table.limit
        let index = table.index(of: client, now: now)
        let elsewhere = shared.wait(name, now: now)
        guard elsewhere == 0, table[index].take(1, limit, now: now) else {
            refusals[scope.rawValue] += 1
            let wait = max(elsewhere, table[index].wait(for: 1, limit, now: now))
            return .refused(Standing(basis: .rate(limit), remaining: 0, wait: wait))
        }
        shared.add(1, of: name, endpoint: endpoint, limit)
        let remaining = table[index].available(limit, now: now)
        let wait = (limit.burst - remaining) * 1_000_000 / limit.perSecond
        return .taken(Standing(basis: .rate(limit), remaining: remaining, wait: wait))
    }

    // MARK: Pings

    /// Whose pings a session counts as: an index instead of a name, so that a frame costs a few integer operations.
    struct PingAllowance {
        fileprivate let index: Int
        fileprivate let isDevice: Bool
    }

    /// The allowance of a credential, shared with its other sessions, until `release`.
    func hold(_ credential: Credential, now: Microseconds) -> PingAllowance {
        if Self.isDevice(credential) {
            return PingAllowance(index: devicePings.hold(credential.id, now: now), isDevice: true)
        }
        return PingAllowance(index: keyPings.hold(credential.id, now: now), isDevice: false)
    }

    /// Ends a `hold`.
    func release(_ allowance: PingAllowance) {
        if allowance.isDevice { devicePings.release(allowance.index) } else { keyPings.release(allowance.index) }
    }

    /// Takes a batch's pings, all or none. Hot path.
    @inline(__always)
    func take(_ pings: Int, _ allowance: PingAllowance, now: Microseconds) -> Bool {
        allowance.isDevice
            ? devicePings.take(pings, at: allowance.index, now: now)
            : keyPings.take(pings, at: allowance.index, now: now)
    }

    /// Takes as many of a backlog's pings as leave a tenth of the burst to live ones; 0 where it has to wait.
    func takeSpare(_ pings: Int, _ allowance: PingAllowance, now: Microseconds) -> Int {
        let limit = allowance.isDevice ? devicePings.limit : keyPings.limit
        guard !limit.isUnlimited else { return pings }
        let bucket = allowance.isDevice ? devicePings[allowance.index] : keyPings[allowance.index]
        let spare = bucket.available(limit, now: now) - limit.burst / 10
        let count = max(0, min(pings, Int(spare)))
        return take(count, allowance, now: now) ? count : 0
    }

    /// How long an allowance takes to get so many pings back, in microseconds; five seconds at most.
    func timeToFill(_ pings: Int, _ allowance: PingAllowance) -> Microseconds {
        let limit = allowance.isDevice ? devicePings.limit : keyPings.limit
        return limit.isUnlimited ? 0 : min(5_000_000, min(Int64(pings), limit.burst) * 1_000_000 / limit.perSecond)
    }

    /// The pings were refused: counts it and says what was exceeded, and when they will be taken.
    func refuse(_ pings: Int, _ allowance: PingAllowance, now: Microseconds) -> Standing {
        refusals[(allowance.isDevice ? Scope.device : .key).rawValue] += 1
        let limit = allowance.isDevice ? devicePings.limit : keyPings.limit
        let bucket = allowance.isDevice ? devicePings[allowance.index] : keyPings[allowance.index]
        return Standing(
            basis: .rate(limit), remaining: max(0, bucket.available(limit, now: now)),
            wait: bucket.wait(for: pings, limit, now: now))
    }

    private static func isDevice(_ credential: Credential) -> Bool {
        if case .device = credential.party { true } else { false }
    }

    private static func scope(of credential: Credential) -> Scope {
        switch credential.party {
        case .device: .device
        case .backend: .key
        case .viewer: .viewer
        }
    }
}
