// The bounded table of buckets, the addresses that share one, and a viewer's frames.
import Testing
import Tracking
import WebServer

@testable import Gateway

@Suite struct LimitTableTests {
    private static let limit = RateLimit(perSecond: 1, burst: 10)

    @Test func `full buckets are forgotten first, used ones keep what was taken`() {
        var table = BucketTable<Int>(Self.limit, capacity: 100)
        for client in 0..<100 {
            let index = table.index(of: client, now: 0)
            if client % 2 == 0 { table[index].charge(5, Self.limit, now: 0) }
        }
        #expect(table.count == 100)
        _ = table.index(of: 1_000, now: 0)
        #expect(table.count == 51)
        for client in stride(from: 0, to: 100, by: 2) {
            #expect(table[table.index(of: client, now: 0)].available(Self.limit, now: 0) == 5)
        }
        for client in stride(from: 1, to: 100, by: 2) {
            #expect(table[table.index(of: client, now: 0)].available(Self.limit, now: 0) == 10)
        }
    }

    @Test func `a flood of new clients, each with a used bucket, does not make it grow`() {
        var table = BucketTable<Int>(Self.limit, capacity: 100)
        for client in 0..<10_000 {
            #expect(table.take(1, at: table.index(of: client, now: 0), now: 0) == true)
            #expect(table.count <= 100)
        }
    }

    @Test func `a held bucket stays where it is, whatever comes`() {
        var table = BucketTable<Int>(Self.limit, capacity: 100)
        let held = table.hold(-1, now: 0)
        #expect(table.hold(-1, now: 0) == held)
        table.release(held)
        #expect(table.take(7, at: held, now: 0) == true)
        for client in 0..<1_000 { _ = table.take(1, at: table.index(of: client, now: 0), now: 0) }
        #expect(table.index(of: -1, now: 0) == held)
        #expect(table[held].available(Self.limit, now: 0) == 3)
        table.release(held)
        // An hour later all of them are full and forgotten, and the place is another's.
        for client in 1_000..<1_200 { _ = table.index(of: client, now: 3_600_000_000) }
        #expect(table.count <= 200)
        #expect(table[table.index(of: -1, now: 3_600_000_000)].available(Self.limit, now: 3_600_000_000) == 10)
    }

    private static func limits(exempt: String = "", proxies: String = "") throws -> RateLimits {
        var configuration = Configuration()
        configuration.limitsAddressRequestsPerSecond = 1
        configuration.limitsAddressBurst = 20
        return RateLimits(
            configuration, exempt: try AddressRanges(exempt, setting: "limits.exempt_addresses"),
            proxies: try AddressRanges(proxies, setting: "web.trusted_proxies"))
    }

    /// How many requests of an address are taken, 100 at most.
    private static func taken(_ limits: RateLimits, _ address: String) -> Int {
        for request in 0..<100 {
            let decision = limits.admit(address: NetworkAddress(address), endpoint: "drivers", now: 0)
            if case .refused = decision { return request }
        }
        return 100
    }

    @Test func `an IPv6 network is one client, an IPv4 address is one in either form`() throws {
        let limits = try Self.limits()
        #expect(Self.taken(limits, "2001:db8:1:2::1") == 20)
        #expect(Self.taken(limits, "2001:db8:1:2:ffff:ffff:ffff:ffff") == 0)
        #expect(Self.taken(limits, "2001:db8:1:3::1") == 20)
        #expect(Self.taken(limits, "192.0.2.7") == 20)
        #expect(Self.taken(limits, "::ffff:192.0.2.7") == 0)
        #expect(Self.taken(limits, "192.0.2.8") == 20)
        #expect(limits.refusals[RateLimits.Scope.address.rawValue] == 6)
    }

    @Test func `exempt are the configured ranges and the trusted proxies`() throws {
        let limits = try Self.limits(exempt: "10.1.2.128/25, 2001:db8::/33", proxies: "192.0.2.1")
        for address in ["10.1.2.128", "10.1.2.255", "2001:db8:7fff::1", "192.0.2.1", "no address"] {
            #expect(Self.taken(limits, address) == 100)
        }
        for address in ["10.1.2.127", "10.1.3.128", "2001:db8:8000::", "192.0.2.2", "127.0.0.1"] {
            #expect(Self.taken(limits, address) == 20)
        }
    }

    @Test func `a wrong credential costs an address ten requests more, an exempt one nothing`() throws {
        let limits = try Self.limits(exempt: "127.0.0.0/8")
        for address in ["192.0.2.7", "127.0.0.1"] {
            limits.failed(address: NetworkAddress(address), endpoint: "drivers", now: 0)
        }
        #expect(Self.taken(limits, "192.0.2.7") == 10)
        #expect(Self.taken(limits, "127.0.0.1") == 100)
    }

    @Test func `a viewer's frames are taken, then refused, then it is closed`() {
        let limit = RateLimit(perSecond: 2, burst: 20)
        var allowance = FrameAllowance(limit, now: 0)
        for _ in 0..<20 { #expect(allowance.take(limit, now: 0) == .taken) }
        for _ in 0..<19 { #expect(allowance.take(limit, now: 0) == .refused) }
        #expect(allowance.take(limit, now: 0) == .flooding)
        // Whoever waits for the debt and one frame more is served again.
        #expect(allowance.take(limit, now: 10_500_000) == .taken)
        #expect(allowance.take(limit, now: 10_500_000) == .refused)
    }

    @Test func `a route's short name holds its fixed parts alone`() {
        for (path, name) in [
            ("/v1/pings", "pings"), ("/v1/drivers", "drivers"), ("/v1/drivers/van-1/position", "drivers.position"),
            ("/v1/tracking-sessions/abc", "tracking-sessions"), ("/v1/orders/9f2/drivers/van-1", "orders.drivers"),
            ("/v1/track/events", "track"), ("/osmand", "osmand"), ("/", "unknown"), ("", "unknown"),
        ] {
            #expect(RateLimits.endpoint(path) == name)
        }
    }
}
