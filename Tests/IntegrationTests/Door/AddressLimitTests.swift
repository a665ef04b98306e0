// Connections an address, whose word about addresses is taken, pages of other hosts, and strangers' protocols in the log.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("Addresses and origins")
    struct AddressLimits {
        @Test func `row 33: beyond its connections an address is told to wait, and let in when one has gone`() throws {
            let gateway = try RunningGateway(settings: [
                "limits.exempt_addresses": "203.0.113.0/24", "limits.connections_per_address": "50",
            ])
            let socket = try WebSocketProbe(port: gateway.port, "/v1/track")
            var streams = try (1..<50).map { _ in try ByteStream(port: gateway.port) }
            func knock() throws -> RawReply? {
                let stream = try ByteStream(port: gateway.port)
                stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return try stream.takeReply()
            }
            let reply = try #require(try knock())
            #expect(reply.status == 429)
            #expect(reply.headers["retry-after"].flatMap { Int($0) } ?? 0 > 0)
            #expect(reply.headers["content-type"] == "application/problem+json")
            #expect(try JSON(parsing: reply.body)["code"].string == "too_many_connections")
            // Whoever is in is served on.
            streams[0].send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try streams[0].takeReply()?.status == 200)
            socket.send([0x03, 0xE8], opcode: 8)
            streams.removeLast(2)
            try eventually("there is room again") { try knock()?.status == 200 }
            for _ in 0..<200 { _ = try knock() }
            streams = []
            try eventually("all that have gone are forgotten") {
                let more = try (0..<50).map { _ in try ByteStream(port: gateway.port) }
                for stream in more { stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") }
                return try more.allSatisfy { try $0.takeReply()?.status == 200 }
            }
        }

        @Test func `exempt addresses and trusted proxies are not counted`() throws {
            for setting in ["limits.exempt_addresses", "web.trusted_proxies"] {
                var settings = ["limits.exempt_addresses": "203.0.113.0/24", "limits.connections_per_address": "3"]
                settings[setting] = "127.0.0.0/8"
                let gateway = try RunningGateway(settings: settings)
                let streams = try (0..<20).map { _ in try ByteStream(port: gateway.port) }
                for stream in streams { stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") }
                for stream in streams { #expect(try stream.takeReply()?.status == 200) }
            }
        }

        @Test func `row 34: X-Forwarded-For counts where a trusted proxy says it, and nowhere else`() throws {
            func status(_ gateway: RunningGateway, _ forwarded: String) throws -> Int {
                try gateway.http("GET", "/metrics", headers: [("X-Forwarded-For", forwarded)]).status
            }
            let open = try RunningGateway(settings: ["web.metrics_from": "203.0.113.9"])
            #expect(try status(open, "203.0.113.9") == 401)
            let behind = try RunningGateway(settings: [
                "web.metrics_from": "203.0.113.9", "web.trusted_proxies": "127.0.0.0/8, 10.0.0.0/8",
            ])
            #expect(try status(behind, "203.0.113.9") == 200)
            #expect(try status(behind, "6.6.6.6, 203.0.113.9, 10.1.1.1") == 200)
            #expect(try status(behind, "203.0.113.9, 6.6.6.6") == 401)
            #expect(try behind.http("GET", "/metrics").status == 401)
        }

        @Test(arguments: [
            ("web.trusted_proxies", "10.0.0/8"), ("limits.exempt_addresses", "localhost"),
            ("web.allowed_origins", "https://shop.example/"), ("web.tls_key", "/nowhere/key.pem"),
        ])
        func `a setting that cannot be read keeps the gateway from starting, and is named`(name: String, value: String)
            throws
        {
            let gateway = try RunningGateway(starts: false)
            gateway.set(name, value)
            if name == "web.tls_key" { gateway.set("web.tls_certificate", droverProgram) }
            let result = try gateway.drover("serve", within: .seconds(20))
            #expect(result.status?.isSuccess == false)
            #expect(result.output.contains(name), "\(result.output)")
        }

        @Test func `rows 26 to 28: listed origins are let in and may read, suffix tricks are not`() throws {
            let gateway = try RunningGateway(settings: [
                "web.allowed_origins": "https://good.example, https://shop.example:8443"
            ])
            let key = try gateway.key()
            func handshake(_ origin: String) throws -> Int {
                try WebSocketProbe(port: gateway.port, "/v1/track", headers: ["Origin: \(origin)"]).reply.status
            }
            for origin in ["https://good.example", "https://shop.example:8443", "http://127.0.0.1:\(gateway.port)"] {
                #expect(try handshake(origin) == 101, "\(origin)")
            }
            for origin in [
                "https://good.example.evil.com", "https://shop.example", "http://good.example", "null",
                "https://evil.com/https://good.example", "http://127.0.0.1", "https://xgood.example",
            ] { #expect(try handshake(origin) == 403, "\(origin)") }

            func ask(_ method: String, _ origin: String, _ headers: (String, String)...) throws -> HTTPResponse {
                try gateway.http(
                    method, "/v1/drivers/nobody/position", token: key, headers: [("Origin", origin)] + headers)
            }
            let reply = try ask("GET", "https://good.example")
            #expect(reply.status == 404)
            #expect(reply.header("access-control-allow-origin") == "https://good.example")
            #expect(reply.header("access-control-expose-headers")?.contains("Retry-After") == true)
            #expect(reply.header("vary") == "Origin")
            #expect(try ask("GET", "https://evil.com").header("access-control-allow-origin") == nil)
            let preflight = try ask("OPTIONS", "https://good.example", ("Access-Control-Request-Method", "POST"))
            #expect(preflight.status == 204)
            #expect(preflight.header("access-control-allow-origin") == "https://good.example")
            #expect(preflight.header("access-control-allow-methods")?.contains("DELETE") == true)
            let allowed = preflight.header("access-control-allow-headers") ?? ""
            for name in ["Authorization", "Content-Type", "X-Api-Key", "Last-Event-ID", "If-None-Match"] {
                #expect(allowed.contains(name))
            }
            let refused = try ask("OPTIONS", "https://evil.com", ("Access-Control-Request-Method", "POST"))
            #expect(refused.status == 403)
            #expect(refused.header("access-control-allow-origin") == nil)
            #expect(try JSON(parsing: refused.text)["code"].string == "origin")
        }

        @Test func `rows 3 and 4: strangers' protocols take a line a second in the log`() throws {
            let gateway = try RunningGateway()
            let start = now()
            for _ in 0..<300 {
                for bytes: [UInt8] in [
                    [0x16, 3, 1, 2, 0, 1], Array("PRI * HTTP/2.0\r\n\r\n".utf8), [UInt8](repeating: 0xF5, count: 500),
                ] {
                    let stream = try ByteStream(port: gateway.port)
                    stream.send(bytes)
                    _ = try stream.ends()
                }
            }
            try eventually("the hint is in the log") { gateway.log.contains("TLS") || gateway.log.contains("HTTP/2") }
            let lines = gateway.log.split(separator: "\n")
            // The gateway's line and the library's.
            let seconds = Int(now() - start) / 1_000
            #expect(lines.count < 40 + 2 * seconds, "\(lines.count) lines")
        }

        @Test func `every reply carries the headers that browsers obey`() throws {
            let shared = try SharedGateway.get()
            for path in ["/healthz", "/v1/drivers", "/nowhere", "/fleet", "/drover.js", "/metrics"] {
                let reply = try shared.gateway.http("GET", path)
                #expect(reply.header("x-content-type-options") == "nosniff", "\(path)")
                #expect(reply.header("referrer-policy") == "no-referrer", "\(path)")
                #expect(reply.header("strict-transport-security") == nil, "\(path)")
                let isPage = ["/fleet", "/drover.js"].contains(path)
                #expect(reply.header("cache-control") == (isPage ? "no-cache" : "no-store"), "\(path)")
                #expect((reply.header("content-security-policy") != nil) == isPage, "\(path)")
                if path == "/fleet" {
                    for sign in ["<style", " style=", " onclick", "<script>", "javascript:"] {
                        #expect(!reply.text.contains(sign), "\(sign)")
                    }
                }
            }
        }
    }
}
