// Addresses, ranges of them, and for whom a proxy speaks.

import Testing

@testable import WebServer

@Suite("Addresses")
struct AddressTests {
    private func address(_ text: String) throws -> NetworkAddress { try #require(NetworkAddress(text)) }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.1.2.3/8", "10.0.0.9", true),
        ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "8.8.8.8", true),
        ("0.0.0.0/0", "fd00::1", false), ("::/0", "fd00::1", true), ("::1", "::1", true),
        ("127.0.0.0/8,::1", "::1", true), ("127.0.0.0/8", "::ffff:127.0.0.1", true), ("fd00::/8", "fdff::1", true),
        ("fd00::/8", "fe80::1", false), ("2001:db8::/65", "2001:db8::7fff:0:0:1", true),
        ("2001:db8::/65", "2001:db8::8000:0:0:1", false), (" 10.0.0.1 , 10.0.0.2 ", "10.0.0.2", true),
        ("", "10.0.0.1", false),
    ])
    func `a range holds what its prefix covers`(list: String, text: String, isInside: Bool) throws {
        #expect(try AddressRanges(list, setting: "a.b").contains(address(text)) == isInside)
    }

    @Test(arguments: [
        "10.0.0/8", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "/8", "example.com", "10.0.0.0/8/8", "10.0.0.0/+8",
    ])
    func `what is no range is refused with the setting's name`(list: String) {
        #expect { try AddressRanges("::1," + list, setting: "web.trusted_proxies") } throws: { error in
            "\(error)".hasPrefix("web.trusted_proxies: \"\(list)\"")
                && "\(error)".contains("DROVER_WEB_TRUSTED_PROXIES")
        }
    }

    @Test(arguments: ["10.0.0.1", "fd00::1", "::1", "2001:db8::ff00:42:8329", "0.0.0.0"])
    func `an address is written as it was read`(text: String) throws {
        #expect(try address(text).description == text)
    }

    @Test func `a mapped address is the IPv4 one`() throws {
        #expect(try address("::ffff:192.0.2.1") == address("192.0.2.1"))
        #expect(try address("::ffff:192.0.2.1").description == "192.0.2.1")
        #expect(try address("2001:db8:1:2:3::4").client == address("2001:db8:1:2:ffff::9").client)
        #expect(try address("192.0.2.1").client != address("192.0.2.2").client)
    }

    @Test(arguments: [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"), ("10.0.0.1", nil, "10.0.0.1"), ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"), ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"), ("10.0.0.1", "1.2.3.4, nonsense", "10.0.0.1"),
        ("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"), ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"), ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"), ("10.0.0.1", "1.2.3.4,", "10.0.0.1"), ("10.0.0.1", "unix:", "10.0.0.1"),
    ])
    func `the client is the last one that no proxy of ours is`(peer: String, header: String?, client: String) throws {
        let forwarded = ForwardedFor(trusted: try AddressRanges("10.0.0.0/8", setting: "a.b"))
        #expect(forwarded.client(peer: try address(peer), header: header).description == client)
    }

    @Test func `a client's connections are counted, and forgotten with the last`() throws {
        var counts = ConnectionCounts()
        let one = try address("192.0.2.1")
        let other = try address("192.0.2.2")
        var entered = (0..<3).map { _ in counts.enter(one, limit: 3) }
        #expect(entered == [true, true, true])
        entered = [counts.enter(one, limit: 3), counts.enter(other, limit: 3)]
        #expect(entered == [false, true])
        counts.leave(one)
        entered = [counts.enter(one, limit: 3)]
        #expect(entered == [true])
        for _ in 0..<3 { counts.leave(one) }
        counts.leave(other)
        #expect(counts.clients == 0)
    }
}
