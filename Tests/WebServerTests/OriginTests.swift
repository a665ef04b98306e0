// Which pages are let in.

import Testing

@testable import WebServer

@Suite("Origins")
struct OriginTests {
    private typealias Standing = AllowedOrigins.Standing

    @Test(arguments: [
        (nil, "a.example", "absent"), ("https://a.example", "a.example", "same"),
        ("http://a.example:80", "a.example", "same"),
        ("https://a.example", "a.example:443", "same"), ("https://A.Example", "a.EXAMPLE", "same"),
        ("http://a.example:8080", "a.example:8080", "same"), ("http://a.example:8080", "a.example", "foreign"),
        ("https://shop.example.com", "a.example", "listed"), ("https://SHOP.example.com", "a.example", "listed"),
        ("https://shop.example.com.evil.com", "a.example", "foreign"),
        ("https://evil-shop.example.com", "a.example", "foreign"),
        ("http://shop.example.com", "a.example", "foreign"), ("https://shop.example.com:444", "a.example", "foreign"),
        ("https://a.example.evil.com", "a.example", "foreign"), ("null", "a.example", "foreign"), ("", "", "foreign"),
        ("https://", "", "foreign"), ("a.example", "a.example", "foreign"),
        ("capacitor://localhost", "a.example", "listed"),
    ])
    func `an origin is the host's own, a listed one, or foreign`(origin: String?, host: String, standing: String) throws
    {
        let allowed = try AllowedOrigins(
            "https://shop.example.com, capacitor://localhost", setting: "web.allowed_origins")
        #expect("\(allowed.standing(of: origin, host: host))" == standing)
    }

    @Test func `a star lets any page in`() throws {
        let allowed = try AllowedOrigins("*", setting: "web.allowed_origins")
        #expect(allowed.standing(of: "null", host: "a") == .listed)
        #expect(allowed.headers(for: "https://b", host: "a").first?.1 == "*")
        #expect(allowed.headers(for: nil, host: "a").isEmpty)
    }

    @Test(arguments: [
        "https://shop.example.com/", "shop.example.com", "https://*.example.com", "https://", "://x", "null",
    ])
    func `what is no origin is refused with the setting's name`(list: String) {
        #expect { try AllowedOrigins(list, setting: "web.allowed_origins") } throws: { error in
            "\(error)".hasPrefix("web.allowed_origins: \"\(list)\"")
        }
    }

    @Test func `a listed page may read, another may not, and caches are told`() throws {
        let allowed = try AllowedOrigins("https://b", setting: "web.allowed_origins")
        let listed = allowed.headers(for: "https://b", host: "a")
        #expect(listed.contains { $0 == ("Access-Control-Allow-Origin", "https://b") })
        #expect(listed.contains { $0 == ("Vary", "Origin") })
        #expect(allowed.headers(for: "https://c", host: "a").map(\.0) == ["Vary"])
        #expect(AllowedOrigins().headers(for: "https://c", host: "a").isEmpty)
    }
}
