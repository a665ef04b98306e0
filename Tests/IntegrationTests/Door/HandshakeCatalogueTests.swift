// The catalogue of bad input, part 1: connections and handshakes. Rows 1 and 2 are in SlowInputTests, 4's log line, 33 and
// 34 in AddressLimitTests.

import DroverClient
import Testing

extension Integration {
    @Suite("Bad input: connections and handshakes")
    struct HandshakeCatalogue {
        static let get = "GET /healthz HTTP/1.1"
        static let handshake = Handshake.lines

        static let rows: [RequestRow] = [
            RequestRow(0, "a WebSocket", handshake, 101),
            RequestRow(3, "40 KiB of noise", raw: noise, 400, "bad_request"),
            RequestRow(4, "a TLS ClientHello", raw: "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{7c}\u{3}\u{3}", nil),
            RequestRow(5, "a target of 9 KiB", ["GET /" + long(9_000) + " HTTP/1.1", "Host: a"], 414, "uri_too_long"),
            RequestRow(
                5, "a target of 40 KiB", ["GET /?" + long(40_000) + " HTTP/1.1", "Host: a"], 414, "uri_too_long"),
            RequestRow(6, "a header of 9 KiB", [get, "Host: a", "X: " + long(9_000)], 431, "headers_too_large"),
            RequestRow(6, "a header of 40 KiB", [get, "Host: a", "X: " + long(40_000)], 431, "headers_too_large"),
            RequestRow(
                6, "headers of 17 KiB together", [get, "Host: a", "X: " + long(8_000), "Y: " + long(8_400)], 431,
                "headers_too_large"),
            RequestRow(
                6, "a token of 7 KiB", [get, "Host: a", "Authorization: Bearer " + long(7_000)], 200),
            RequestRow(
                7, "200 headers", [get, "Host: a"] + (0..<200).map { "X-\($0): a" }, 431, "headers_too_large"),
            RequestRow(8, "NUL in a header's value", [get, "Host: a", "X: a\u{0}b"], 400, "bad_request"),
            RequestRow(9, "a folded header", [get, "Host: a", "X: a", " b"], 400, "bad_request"),
            RequestRow(10, "no Host", [get], 400, "bad_request"),
            RequestRow(11, "two Hosts", [get, "Host: a", "Host: b"], 400, "bad_request"),
            RequestRow(11, "two Hosts in a handshake", handshake + ["Host: b"], 400, "bad_request"),
            RequestRow(
                12, "an upgrade to foo", [get, "Host: a", "Connection: Upgrade", "Upgrade: foo"], 426,
                "upgrade_required", header: ("upgrade", "websocket")),
            RequestRow(
                14, "an upgrade to h2c",
                [get, "Host: a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"], 426,
                "upgrade_required"),
            RequestRow(15, "HTTP/2's preface", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nil),
            RequestRow(16, "CONNECT", ["CONNECT x:1 HTTP/1.1", "Host: x:1"], 405, "method_not_allowed"),
            RequestRow(16, "a method that is none", ["BREW / HTTP/1.1", "Host: a"], 405, "method_not_allowed"),
            RequestRow(
                17, "POST with an upgrade", ["POST /v1/track HTTP/1.1"] + handshake.dropFirst(), 405,
                "method_not_allowed", header: ("allow", "GET")),
            RequestRow(
                18, "HTTP/1.0 with an upgrade", ["GET /v1/track HTTP/1.0"] + handshake.dropFirst(), 505,
                "http_version"),
            RequestRow(18, "HTTP/3", ["GET / HTTP/3.0", "Host: a"], 505, "http_version"),
            RequestRow(
                19, "Connection without Upgrade", Handshake.without("Connection", with: "Connection: keep-alive"),
                400, "bad_request"),
            RequestRow(
                20, "version 12", Handshake.without("Sec-WebSocket-Version", with: "Sec-WebSocket-Version: 12"), 426,
                "upgrade_required", header: ("sec-websocket-version", "13")),
            RequestRow(21, "no version", Handshake.without("Sec-WebSocket-Version"), 426, "upgrade_required"),
            RequestRow(22, "no key", Handshake.without("Sec-WebSocket-Key"), 400, "bad_request"),
            RequestRow(
                23, "a short key", Handshake.without("Sec-WebSocket-Key", with: "Sec-WebSocket-Key: abc"), 400,
                "bad_request"),
            RequestRow(24, "an unknown subprotocol", handshake + ["Sec-WebSocket-Protocol: x"], 400, "bad_request"),
            RequestRow(
                25, "twenty subprotocols, ours among them",
                handshake + [
                    "Sec-WebSocket-Protocol: " + (1..<20).map { "p\($0)" }.joined(separator: ", ") + ", drover.v1"
                ],
                101, header: ("sec-websocket-protocol", "drover.v1")),
            RequestRow(
                25, "a list of subprotocols that the library would drop",
                handshake + ["Sec-WebSocket-Protocol: drover.v1, bearer." + long(200)], 400, "bad_request"),
            RequestRow(26, "a foreign origin", handshake + ["Origin: https://shop.example"], 403, "origin"),
            RequestRow(26, "the host's own origin", handshake + ["Origin: https://a"], 101),
            RequestRow(
                27, "an origin with the host in front", handshake + ["Origin: https://a.evil.com"], 403, "origin"),
            RequestRow(28, "the origin null", handshake + ["Origin: null"], 403, "origin"),
            RequestRow(
                29, "two extensions",
                handshake + ["Sec-WebSocket-Extensions: permessage-deflate; foo=1, x-bar; baz"], 101),
            RequestRow(30, "an unknown path", ["GET /nowhere HTTP/1.1", "Host: a"], 404, "not_found"),
            RequestRow(31, "a path of dots", ["GET /../../etc/passwd HTTP/1.1", "Host: a"], 404, "not_found"),
            RequestRow(
                31, "a path of encoded dots", ["GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "Host: a"], 404, "not_found"),
            RequestRow(32, "an encoded NUL in the path", ["GET /healthz%00 HTTP/1.1", "Host: a"], 400, "bad_request"),
            RequestRow(32, "an absolute target", ["GET http://a/healthz HTTP/1.1", "Host: a"], 400, "bad_request"),
        ]

        private static func long(_ count: Int) -> String { String(repeating: "x", count: count) }

        /// The same bytes each time, none of which ends a line.
        private static let noise: String = {
            var state: UInt32 = 2_463_534_242
            return String(
                String.UnicodeScalarView(
                    (0..<40_960).map { _ in
                        state ^= state << 13
                        state ^= state >> 17
                        state ^= state << 5
                        return Unicode.Scalar(UInt8(state % 94 + 33))
                    }))
        }()

        @Test(arguments: rows) func `the answer is the catalogue's`(row: RequestRow) throws {
            try row.expect(from: SharedGateway.get().gateway)
        }

        @Test func `an extension is never agreed on`() throws {
            let stream = try ByteStream(port: SharedGateway.get().gateway.port)
            stream.send(
                (Handshake.lines + ["Sec-WebSocket-Extensions: permessage-deflate", ""]).map { $0 + "\r\n" }.joined())
            let reply = try #require(try stream.takeReply())
            #expect(reply.status == 101)
            #expect(reply.headers["sec-websocket-extensions"] == nil)
        }

        @Test func `a frame glued to the handshake is read`() throws {
            let shared = try SharedGateway.get()
            let stream = try ByteStream(port: shared.gateway.port)
            let frame = Array("{\"id\":7}".utf8)
            stream.send(
                Array(
                    (Handshake.lines + ["X-Api-Key: \(shared.key)", "Sec-WebSocket-Protocol: drover.v1", ""])
                        .map { $0 + "\r\n" }.joined().utf8)
                    + WebSocketProbe.header(opcode: 1, length: frame.count) + WebSocketProbe.masked(frame))
            #expect(try stream.takeReply()?.status == 101)
            let texts = try (0..<2).map { _ -> String in
                let head = try #require(try stream.take(2))
                return String(decoding: try #require(try stream.take(Int(head[1]))), as: UTF8.self)
            }
            #expect(texts[0].hasPrefix("{\"hello\""))
            #expect(texts[1].hasPrefix("{\"id\":7"))
        }

        @Test func `requests one behind the other are answered in order, and a request in pieces is read`() throws {
            let gateway = try SharedGateway.get().gateway
            let stream = try ByteStream(port: gateway.port)
            for piece in [
                "G", "ET /healthz HTTP/1.1\r", "\nHost: ", "a\r\n", "\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
            ] {
                stream.send(piece)
                // The gateway has been around once, and has looked at the piece.
                #expect(try gateway.http("GET", "/healthz").status == 200)
            }
            #expect(try stream.takeReply()?.status == 200)
            #expect(try stream.takeReply()?.status == 404)
        }

        @Test func `a storm of connections keeps nobody out`() throws {
            let gateway = try SharedGateway.get().gateway
            for _ in 0..<5 {
                let streams = try (0..<400).map { _ in try ByteStream(port: gateway.port) }
                for stream in streams { stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }
                for stream in streams {
                    try #require(try stream.takeReply()?.status == 200)
                    try #require(try stream.ends())
                }
            }
        }

        @Test func `a client that ends its side early, or says nothing and goes, is forgotten`() throws {
            let gateway = try SharedGateway.get().gateway
            for text in ["", "GET /healthz HTTP/1.1\r\nHos"] {
                let stream = try ByteStream(port: gateway.port)
                stream.send(text)
                stream.finishSending()
                #expect(try stream.ends(within: 3))
            }
            let whole = try ByteStream(port: gateway.port)
            whole.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            whole.finishSending()
            #expect(try whole.takeReply()?.status == 200)
        }
    }
}
