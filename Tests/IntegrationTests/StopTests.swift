// SIGTERM: in order, complete, and within five seconds.

import DroverClient
import EventLoop
import Glibc
import LocalServers
import Testing

extension Integration {
    @Suite("A stop")
    struct Stop {
        @Test func `sockets are told, what was acknowledged is written, and the exit code is 0`() throws {
            let gateway = try RunningGateway(settings: ["history.batch_ms": "900"])
            let key = try gateway.key()
            try gateway.awaitStores()
            let device = try gateway.ingest(key)
            let viewer = try gateway.viewer(key)
            let idle = try ByteStream(port: gateway.port)
            idle.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try idle.takeReply()?.status == 200)
            let drive = TestPing.drive("van-1", from: now() - 600_000, count: 200)
            for ping in drive { device.send(ping.json) }
            var acknowledged: Int64 = 0
            while acknowledged == 0 { acknowledged = try device.json()["ack"].integer ?? 0 }
            gateway.process?.signal(SIGTERM)
            let closure = try device.closure()
            #expect(closure.code == 1001)
            for text in closure.texts { acknowledged = try JSON(parsing: text)["ack"].integer ?? acknowledged }
            #expect(try viewer.closure().code == 1001)
            #expect(try idle.ends())
            #expect(gateway.process?.wait(.seconds(5)) == .exited(0))
            #expect(throws: (any Error).self) { try ByteStream(port: gateway.port) }
            #expect(try gateway.rows(of: "van-1") >= Int(acknowledged))
            #expect(gateway.log.contains("journal_flushed=true"))
        }

        @Test func `it ends in five seconds while Postgres is frozen, and the rest is written after the start`() throws
        {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key()
            try gateway.awaitStores()
            let device = try gateway.ingest(key)
            gateway.postgres.freeze()
            let drive = TestPing.drive("van-1", from: now() - 600_000, count: 100)
            device.send(TestPing.array(drive))
            #expect(try device.json()["ack"].integer == 100)
            #expect(gateway.stop(within: .seconds(5)) == .exited(0))
            gateway.postgres.thaw()
            try gateway.start()
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 100)
        }

        @Test func `viewers who do not answer do not hold it up`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let viewers = try (0..<20).map { _ in try gateway.viewer(key) }
            let half = try ByteStream(port: gateway.port)
            half.send("POST /v1/pings HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(key)\r\nContent-Length: 100\r\n\r\n{")
            let began = try ByteStream(port: gateway.port)
            began.send("GET /heal")
            #expect(gateway.stop(within: .seconds(5)) == .exited(0))
            #expect(try viewers.allSatisfy { try $0.closure().code == 1001 })
            #expect(try half.ends())
            #expect(try began.ends())
        }

        @Test func `a second signal ends it at once`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            // Somebody who does not answer keeps the first stop waiting.
            let viewer = try gateway.viewer(key)
            gateway.process?.signal(SIGTERM)
            try eventually("the first is heard") { gateway.log.contains("stopping") }
            gateway.process?.signal(SIGTERM)
            #expect(gateway.process?.wait(.seconds(5)) == .exited(1))
            #expect(gateway.log.contains("second signal"))
            #expect([1001, 1006].contains(try viewer.closure().code))
        }

        @Test func `an interrupt is a stop, too`() throws {
            let gateway = try RunningGateway()
            gateway.process?.signal(SIGINT)
            #expect(gateway.process?.wait(.seconds(5)) == .exited(0))
        }

        @Test func `a second gateway on the same journal ends with a clear word`() throws {
            let gateway = try RunningGateway()
            let journal = gateway.environment["DROVER_JOURNAL_DIRECTORY"] ?? ""
            let second = try gateway.drover("serve", "--listen", "127.0.0.1:0", within: .seconds(20))
            #expect(second.status == .exited(1))
            #expect(second.output.contains("journal \(journal) is in use by another process"), "\(second.output)")
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test func `a fresh gateway that was told to stop leaves nothing running`() throws {
            let gateway = try RunningGateway(starts: false)
            for _ in 0..<5 {
                try gateway.start()
                #expect(gateway.stop(within: .seconds(5)) == .exited(0))
            }
        }
    }
}
