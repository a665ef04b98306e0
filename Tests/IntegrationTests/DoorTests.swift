// What a strict server must not let through, byte by byte: the checks of `DoorChecks`, and the guard against
// CVE-2025-11677.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("At the door")
    struct Door {
        @Test func `an upgrade on a kept connection to something else is refused, two thousand times`() throws {
            let gateway = try RunningGateway()
            try knock(gateway, times: 2_000)
            #expect(gateway.process?.isRunning == true)
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test(.enabled(if: wantsLongTests, "needs valgrind"))
        func `the same leaves no invalid read under valgrind`() throws {
            let gateway = try RunningGateway(starts: false)
            let report = gateway.directory.path + "/valgrind.log"
            // Debian 12's valgrind cannot read the compiler's debug information and gives up where there is some.
            let stripped = gateway.directory.path + "/drover"
            try Command.runChecked(["strip", "--strip-debug", "-o", stripped, droverProgram])
            let valgrind = ["valgrind", "--log-file=\(report)", "--undef-value-errors=no"]
            try gateway.start(under: valgrind, as: stripped)
            try knock(gateway, times: 50)
            #expect(gateway.stop(within: .seconds(60)) == .exited(0))
            let text = try Command.runChecked(["cat", report])
            #expect(text.contains("ERROR SUMMARY: 0 errors"), "\(text)")
        }

        private func knock(_ gateway: RunningGateway, times: Int) throws {
            for round in 0..<times {
                let stream = try ByteStream(port: gateway.port)
                stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                try #require(try stream.takeReply()?.status == 200, "round \(round)")
                let upgrade = ["foo", "h2c", "websocket2"][round % 3]
                stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: \(upgrade)\r\n\r\n")
                // Refused by our reply, the library's own (403), or the end of the connection.
                if let reply = try stream.takeReply() { try #require([403, 426].contains(reply.status), "\(reply)") }
                try #require(try stream.ends())
            }
        }

        /// The request's lines and the reply's status; nil: the connection ends without a reply.
        struct Case: CustomTestStringConvertible, Sendable {
            let name: String
            let lines: [String]
            let status: Int?
            var body = ""
            var testDescription: String { name }

            init(_ name: String, _ lines: [String], _ status: Int?, body: String = "") {
                (self.name, self.lines, self.status, self.body) = (name, lines, status, body)
            }
        }

        static let webSocket = [
            "GET /v1/track HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]

        static func webSocket(without name: String, with line: String? = nil) -> [String] {
            webSocket.filter { !$0.hasPrefix(name) } + (line.map { [$0] } ?? [])
        }

        static let post = "POST /v1/pings HTTP/1.1"

        static let cases: [Case] = [
            Case("a WebSocket", webSocket, 101),
            Case(
                "upgrade to h2c",
                [
                    "GET /a HTTP/1.1", "Host: a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                    "HTTP2-Settings: AA",
                ],
                426),
            Case("version 12", webSocket(without: "Sec-WebSocket-Version", with: "Sec-WebSocket-Version: 12"), 426),
            Case("no version", webSocket(without: "Sec-WebSocket-Version"), 426),
            Case("a short key", webSocket(without: "Sec-WebSocket-Key", with: "Sec-WebSocket-Key: abc"), 400),
            Case(
                "POST with an upgrade", ["POST /v1/track HTTP/1.1"] + webSocket.dropFirst() + ["Content-Length: 0"], 405
            ),
            Case("HTTP/1.0 with an upgrade", ["GET /v1/track HTTP/1.0"] + webSocket.dropFirst(), 505),
            Case("an upgrade with two hosts", webSocket + ["Host: b"], 400),
            Case("two hosts", ["GET /healthz HTTP/1.1", "Host: a", "Host: b"], 400),
            Case("chunks", [post, "Host: a", "Transfer-Encoding: chunked"], 411, body: "1\r\n{\r\n0\r\n\r\n"),
            Case(
                "chunks and a length", [post, "Host: a", "Transfer-Encoding: chunked", "Content-Length: 5"], 411,
                body: "0\r\n\r\n"),
            Case("two lengths", [post, "Host: a", "Content-Length: 2", "Content-Length: 3"], 400, body: "[]"),
            Case("a list of lengths", [post, "Host: a", "Content-Length: 2, 2"], 400, body: "[]"),
            Case("a negative length", [post, "Host: a", "Content-Length: -1"], 400),
            Case("a signed length", [post, "Host: a", "Content-Length: +2"], 400, body: "[]"),
            Case("a hexadecimal length", [post, "Host: a", "Content-Length: 0x2"], 400, body: "[]"),
            Case("a length beyond counting", [post, "Host: a", "Content-Length: 99999999999999999999"], 413),
            Case("a length over the limit", [post, "Host: a", "Content-Length: 1048577"], 413),
            Case("no length", [post, "Host: a"], 411),
            Case("CONNECT", ["CONNECT a:1 HTTP/1.1", "Host: a"], 405),
            Case("a path of dots", ["GET /../../etc/passwd HTTP/1.1", "Host: a"], 404),
            Case("a path of encoded dots", ["GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "Host: a"], 404),
        ]

        @Test(arguments: cases)
        func `what comes in is checked`(_ input: Case) throws {
            let gateway = try SharedGateway.get().gateway
            let stream = try ByteStream(port: gateway.port)
            stream.send((input.lines + [""]).map { $0 + "\r\n" }.joined() + input.body)
            let reply = try stream.takeReply()
            #expect(reply?.status == input.status, "\(String(describing: reply))")
            if let reply, reply.status >= 400 {
                #expect(try JSON(parsing: reply.body)["code"].string?.isEmpty == false)
                if reply.status != 404 { #expect(try stream.ends()) }
            }
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test(arguments: [
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /healthz HTTP/1.1\r\n\r\n", "\r\n\r\n\r\n",
        ])
        func `what is no request gets an error or the end`(bytes: String) throws {
            let gateway = try SharedGateway.get().gateway
            let stream = try ByteStream(port: gateway.port)
            stream.send(bytes)
            stream.finishSending()
            let reply = try stream.takeReply(within: 20)
            #expect(reply == nil || (400..<600).contains(reply?.status ?? 0), "\(String(describing: reply))")
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test func `headers that are too large are refused`() throws {
            let gateway = try SharedGateway.get().gateway
            for lines in [
                ["GET /healthz HTTP/1.1", "Host: a", "X-Large: " + String(repeating: "x", count: 40_000)],
                ["GET /healthz?" + String(repeating: "x", count: 40_000) + " HTTP/1.1", "Host: a"],
                ["GET /healthz HTTP/1.1", "Host: a", "Authorization: Bearer " + String(repeating: "x", count: 40_000)],
            ] {
                let stream = try ByteStream(port: gateway.port)
                stream.send((lines + [""]).map { $0 + "\r\n" }.joined())
                let reply = try stream.takeReply()
                #expect(reply == nil || reply?.status == 431 || reply?.status == 414, "\(String(describing: reply))")
            }
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test func `a body or message that is dripped is ended at the deadline`() throws {
            let gateway = try RunningGateway(settings: ["web.message_deadline_s": "1"])
            let key = try gateway.key()
            let stream = try ByteStream(port: gateway.port)
            stream.send("\(Self.post)\r\nHost: a\r\nX-Api-Key: \(key)\r\nContent-Length: 100\r\n\r\n[")
            let reply = try stream.takeReply()
            #expect(reply?.status == 408, "\(String(describing: reply))")
            #expect(try stream.ends())
            let fragments = try gateway.ingest(key)
            fragments.send(Array("[".utf8), isFinal: false)
            #expect(try fragments.closure().code == 4408)
            let half = try gateway.ingest(key)
            half.stream.send(WebSocketProbe.header(opcode: 1, length: 5_000) + [UInt8](repeating: 0x20, count: 3_000))
            #expect(try half.closure().code == 4408)
            // Less than the library hands over at once.
            let little = try gateway.ingest(key)
            little.stream.send(WebSocketProbe.header(opcode: 1, length: 500) + [UInt8](repeating: 0x20, count: 3))
            #expect(try little.closure().code == 4408)
            #expect(try gateway.metric("drover_pings_received_total") == 0)
        }

        @Test func `a WebSocket that has fallen silent is ended`() throws {
            let gateway = try RunningGateway(settings: ["web.heartbeat_s": "1"])
            let key = try gateway.key()
            // Half a frame's header cannot be told from silence: over after two heartbeats and five seconds.
            let half = try gateway.ingest(key)
            half.stream.send([0x81])
            let silent = try gateway.viewer(key)
            let watching = try gateway.viewer(key)
            let limit = Deadline(seconds: 30)
            // One of them says nothing either, but answers pings: a tab that only watches.
            while try gateway.metric("drover_connections") > 2, !limit.isOver { try watching.answerPing() }
            #expect(try half.stream.ends())
            #expect(try silent.stream.ends())
            watching.send("{\"id\":2}")
            #expect(try watching.json(with: "id")["id"].integer == 2)
        }

        @Test func `a request whose client goes away is forgotten`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            for _ in 0..<50 {
                let stream = try ByteStream(port: gateway.port)
                stream.send("\(Self.post)\r\nHost: a\r\nX-Api-Key: \(key)\r\nContent-Length: 100\r\n\r\n[")
            }
            for _ in 0..<50 { _ = try gateway.ingest(key) }
            try eventually("all connections are gone but the one that asks") {
                try gateway.metric("drover_connections") == 1
            }
            #expect(try gateway.metric("drover_pings_received_total") == 0)
        }

        @Test func `two requests on one connection are answered in order`() throws {
            let gateway = try SharedGateway.get().gateway
            let stream = try ByteStream(port: gateway.port)
            for status in [200, 404, 200] {
                let path = status == 200 ? "/healthz" : "/nowhere"
                stream.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try stream.takeReply()?.status == status)
            }
        }
    }
}
