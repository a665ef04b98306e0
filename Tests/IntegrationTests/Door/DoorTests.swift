// What a strict server must not let through, byte by byte: the checks of `DoorChecks`, and the guard against
// CVE-2025-11677.

import DroverClient
import Glibc
import LocalServers
import Testing

/// Whether the tests may run the gateway under valgrind.
private let hasValgrind = access("/usr/bin/valgrind", X_OK) == 0

extension Integration {
    @Suite("At the door")
    struct Door {
        @Test func `an upgrade on a kept connection to something else is refused, two thousand times`() throws {
            let gateway = try RunningGateway()
            try knock(gateway, times: 2_000)
            #expect(gateway.process?.isRunning == true)
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test(.enabled(if: hasValgrind, "valgrind is not installed; config/setup --tests installs it"))
        func `the same leaves no invalid read under valgrind`() throws {
            let gateway = try RunningGateway(starts: false)
            let report = gateway.directory.path + "/valgrind.log"
            // Debian 12's valgrind cannot read the compiler's debug information and gives up where there is some.
            let stripped = gateway.directory.path + "/drover"
            try Command.runChecked(["strip", "--strip-debug", "-o", stripped, droverProgram])
            let valgrind = ["valgrind", "--log-file=\(report)", "--undef-value-errors=no"]
            try gateway.start(under: valgrind, as: stripped)
            try knock(gateway, times: 20)
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
                // Row 13: refused by our reply, by the library's own (403), which it sends where the headers are gone by
                // then, or by the end of the connection.
                if let reply = try stream.takeReply() { try #require([403, 426].contains(reply.status), "\(reply)") }
                try #require(try stream.ends())
            }
        }

        @Test func `a WebSocket that has fallen silent is ended`() throws {
            let gateway = try RunningGateway(settings: ["web.heartbeat_s": "1"])
            let key = try gateway.key()
            let silent = try gateway.viewer(key)
            let watching = try gateway.viewer(key)
            let limit = Deadline(seconds: 30)
            // One of them says nothing either, but answers pings: a tab that only watches.
            while try gateway.metric("drover_connections") > 2, !limit.isOver { try watching.answerPing() }
            #expect(try silent.stream.ends())
            watching.send("{\"id\":2}")
            #expect(try watching.json(with: "id")["id"].integer == 2)
        }

        @Test func `a request whose client goes away is forgotten`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            for _ in 0..<50 {
                let stream = try ByteStream(port: gateway.port)
                stream.send("POST /v1/pings HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(key)\r\nContent-Length: 100\r\n\r\n[")
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
