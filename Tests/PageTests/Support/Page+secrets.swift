// Where a key or token must not be.

import Testing

extension Page {
    /// No request's address, no Referer and no line of the gateway's log has the secret, nor has the page's address.
    func expectSecret(_ key: String, _ gateway: GatewayFixture) throws {
        // Without what says its kind. Its characters are none that an address would encode.
        let secret = key.dropFirst("drk_".count)
        let addresses = requested
        #expect(addresses.contains { $0.hasPrefix("ws://") } && addresses.contains { $0.contains("/assets/") })
        #expect(addresses.filter { $0.contains(secret) } == [])
        #expect(requestHeaders.contains { $0["user-agent"] != nil })
        // Chromium notes an empty one where it sends none.
        #expect(Set(requestHeaders.map { $0["referer"] ?? "" }) == [""])
        #expect(requestHeaders.allSatisfy { $0.values.allSatisfy { !$0.contains(secret) || $0 == "Bearer \(key)" } })
        #expect(try !value("location.href", as: String.self).contains(secret))
        #expect(try !value("document.documentElement.outerHTML", as: String.self).contains(secret))
        #expect(complaints.filter { $0.contains(secret) } == [])
        let log = gateway.log
        #expect(log.contains("listening"))
        #expect(!log.contains(secret))
    }
}
