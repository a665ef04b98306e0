// The pages in a real browser against the real gateway. Within a suite one test at a time, since their tabs want the
// processor; suites side by side, since much of it is waiting.

import Testing

/// Parent of all suites here.
@Suite struct PageTests {
    static let toronto = Place(lat: 43.6532, lng: -79.3832)

    /// Runs a test with a gateway and a browser's connection of its own.
    static func withPages(
        _ settings: [String: String] = [:], file: String = "", _ body: (GatewayFixture, Browser) throws -> Void
    ) throws {
        let gateway = try GatewayFixture(settings, file: file)
        defer { gateway.remove() }
        let browser = try Browser()
        defer { browser.close() }
        try body(gateway, browser)
    }
}
