// `GET /v1/ingest` from outside: greetings, acknowledgements, refusals and close codes.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("GET /v1/ingest")
    struct IngestSocket {
        @Test func `the server speaks first and acknowledges frames cumulatively`() throws {
            let gateway = try RunningGateway()
            let socket = try gateway.webSocket("/v1/ingest", token: gateway.key(), subprotocols: "drover.ingest.v1")
            #expect(socket.reply.headers["sec-websocket-protocol"] == "drover.ingest.v1")
            let hello = try socket.json()["hello"]
            #expect(abs((hello["now"].integer ?? 0) - now()) < 60_000)
            #expect(hello["max_frame"].integer == 262_144)
            // Unlabelled pings count from 1.
            let drive = TestPing.drive("van-1", from: now() - 60_000, count: 6)
            socket.send(drive[0].json)
            #expect(try socket.json()["ack"].integer == 1)
            socket.send(TestPing.array(Array(drive[1...3])))
            #expect(try socket.json()["ack"].integer == 4)
            // A label is this connection's own.
            var labelled = drive[4]
            labelled.sequence = 70
            socket.send(labelled.json)
            #expect(try socket.json()["ack"].integer == 70)
            var last = drive[5]
            last.sequence = 71
            socket.send(TestPing.array([drive[0], last]))
            #expect(try socket.json()["ack"].integer == 71)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 6)
            try gateway.expectConservation()
        }

        @Test func `an acknowledgement speaks for every ping before it`() throws {
            let gateway = try RunningGateway()
            let socket = try gateway.ingest(try gateway.key())
            let drive = TestPing.drive("van-2", from: now() - 600_000, count: 300)
            for ping in drive { socket.send(ping.json) }
            var acknowledged: Int64 = 0
            while acknowledged < 300 {
                let next = try #require(try socket.json()["ack"].integer)
                #expect(next > acknowledged)
                acknowledged = next
            }
            #expect(acknowledged == 300)
            #expect(try gateway.metric("drover_pings_total{verdict=\"accepted\"}") == 300)
        }

        @Test func `a refused ping is named by its label`() throws {
            let gateway = try RunningGateway()
            let socket = try gateway.ingest(try gateway.key())
            let at = now() - 60_000
            socket.send(
                TestPing.array([
                    TestPing("van-3", at: at, sequence: 40), TestPing("van-3", at: at + 1, accuracy: 500, sequence: 41),
                    TestPing("van-3", at: at + 1_000, latitude: 44, sequence: 42),
                ]))
            let reply = try socket.json()
            #expect(reply["ack"].integer == 42)
            #expect(reply["rejected"].array.map { $0["seq"].integer } == [41, 42])
            #expect(reply["rejected"].array.map { $0["reason"].string } == ["accuracy", "jump"])
            #expect(reply["rejected"].array.allSatisfy { $0["detail"].string?.isEmpty == false })
            // Without a label: the place in the connection's pings, of which this is the fourth.
            socket.send(TestPing("van-3", at: at + 2_000, latitude: 91).json)
            let counted = try socket.json()
            #expect(counted["ack"].integer == 4)
            #expect(counted["rejected"].array.map { $0["seq"].integer } == [4])
        }

        @Test func `a device's ping for another driver is rejected alone`() throws {
            let gateway = try RunningGateway()
            _ = try gateway.key()
            let socket = try gateway.ingest(try gateway.deviceToken(driver: "van-4"))
            let at = now() - 60_000
            socket.send(
                TestPing.array([TestPing(nil, at: at), TestPing("van-5", at: at), TestPing("van-4", at: at + 1)]))
            let reply = try socket.json()
            #expect(reply["ack"].integer == 3)
            #expect(reply["rejected"].array.map { $0["reason"].string } == ["driver_mismatch"])
            #expect(reply["rejected"][0]["seq"].integer == 2)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-4") == 2)
            #expect(try gateway.rows(of: "van-5") == 0)
        }

        @Test(arguments: ["not json", "[{\"recorded_at\":", "{\"a\":1}}", "[1,]", "", "\"text\"", "17"])
        func `a frame that holds no pings is an error and a close, and nothing of it is stored`(frame: String) throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let socket = try gateway.ingest(shared.key)
            let before = try gateway.metric("drover_pings_received_total")
            socket.send(frame)
            let error = try socket.json()["error"]
            #expect(error["code"].string == "bad_request")
            #expect(error["message"].string?.isEmpty == false)
            #expect(error["retry"].flag == false)
            #expect(try socket.closure().code == 4400)
            #expect(try gateway.metric("drover_pings_received_total") == before)
        }

        @Test func `a bad frame takes none of its good pings with it`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let socket = try gateway.ingest(shared.key)
            socket.send("[\(TestPing("van-torn", at: now()).json),{\"recorded_at\":}]")
            #expect(try socket.closure().code == 4400)
            #expect(try gateway.http("GET", "/v1/drivers/van-torn/position", token: shared.key).status == 404)
        }

        @Test func `frames that are no text are closed with their codes`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let binary = try gateway.ingest(shared.key)
            binary.send([1, 2, 3], opcode: 2)
            #expect(try binary.closure().code == 1003)
            for bytes: [UInt8] in [[0xC3, 0x28], [0xC0, 0xAF], [0xED, 0xA0, 0x80]] {
                let socket = try gateway.ingest(shared.key)
                socket.send([0x22] + bytes + [0x22])
                #expect(try socket.closure().code == 1007)
            }
        }

        @Test func `a frame may have 256 KiB and not a byte more`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let ping = TestPing("van-large", at: now() - 1_000).json
            let whole = try gateway.ingest(shared.key)
            whole.send(ping + String(repeating: " ", count: 262_144 - ping.utf8.count))
            #expect(try whole.json()["ack"].integer == 1)
            let socket = try gateway.ingest(shared.key)
            socket.send(ping + String(repeating: " ", count: 262_145 - ping.utf8.count))
            #expect(try socket.closure().code == 1009)
            // Announced as 2^62 bytes: refused by the announcement.
            let boast = try gateway.ingest(shared.key)
            boast.stream.send(
                WebSocketProbe.header(opcode: 1, length: 1 << 62) + [UInt8](repeating: 0x20, count: 5_000))
            #expect(try boast.closure().code == 1009)
        }

        @Test func `a message in fragments is one message`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let socket = try gateway.ingest(shared.key)
            let bytes = Array(TestPing("van-pieces", at: now() - 1_000).json.utf8)
            socket.send(Array(bytes[..<10]), isFinal: false)
            socket.send([], opcode: 9)
            socket.send(Array(bytes[10..<30]), opcode: 0, isFinal: false)
            socket.send(Array(bytes[30...]), opcode: 0)
            #expect(try socket.json()["ack"].integer == 1)
        }

        @Test func `broken framing is closed with 1002`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let breaks: [(WebSocketProbe) -> Void] = [
                { $0.send([0x20], opcode: 0) },
                { $0.send([0x20], opcode: 3) },
                { $0.send([0x20], opcode: 11) },
                { $0.stream.send([0xC1, 0x80, 0, 0, 0, 0]) },
                {
                    $0.send([0x20], isFinal: false)
                    $0.send([0x20])
                },
            ]
            for (index, broken) in breaks.enumerated() {
                let socket = try gateway.ingest(shared.key)
                broken(socket)
                #expect(try socket.closure().code == 1002, "case \(index)")
            }
        }

        @Test func `a bad credential completes the upgrade and is then told`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let unknown = try gateway.webSocket("/v1/ingest", token: "drk_unknown", subprotocols: "drover.ingest.v1")
            let refusal = try unknown.closure()
            #expect(refusal.code == 4401)
            #expect(refusal.texts.isEmpty)
            let reader = try gateway.key("positions:read")
            let unfit = try gateway.webSocket("/v1/ingest", token: reader, subprotocols: "drover.ingest.v1")
            #expect(try unfit.closure().code == 4403)
            let torn = try WebSocketProbe(
                port: gateway.port, "/v1/ingest?token=\(reader)", token: shared.key,
                subprotocols: "drover.ingest.v1")
            #expect(torn.reply.status == 101)
            #expect(try torn.closure().code == 4401)
        }

        @Test func `the token may come in the first frame, the address or the subprotocol`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let first = try gateway.webSocket("/v1/ingest", token: nil, subprotocols: "drover.ingest.v1")
            _ = try first.json(with: "hello")
            first.send("{\"id\":1,\"token\":\"\(shared.key)\"}")
            #expect(try first.json()["id"].integer == 1)
            first.send(TestPing("van-first", at: now() - 1_000).json)
            #expect(try first.json()["ack"].integer == 1)
            let address = try gateway.webSocket(
                "/v1/ingest?token=\(shared.key)", token: nil, subprotocols: "drover.ingest.v1")
            _ = try address.json(with: "hello")
            let subprotocol = try gateway.webSocket(
                "/v1/ingest", token: nil, subprotocols: "drover.ingest.v1, bearer.\(shared.key)")
            #expect(subprotocol.reply.headers["sec-websocket-protocol"] == "drover.ingest.v1")
            _ = try subprotocol.json(with: "hello")
            let none = try gateway.webSocket("/v1/ingest", token: nil, subprotocols: "drover.ingest.v1")
            none.send(TestPing("van-none", at: now()).json)
            #expect(try none.closure().code == 4401)
        }

        @Test func `an unknown subprotocol is refused before the upgrade`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let socket = try WebSocketProbe(
                port: gateway.port, "/v1/ingest", token: shared.key, subprotocols: "mqtt")
            #expect(socket.reply.status == 400, "\(socket.reply)")
            #expect(socket.reply.body.contains("drover.ingest.v1"))
            let other = try WebSocketProbe(
                port: gateway.port, "/v1/ingest", token: shared.key, subprotocols: "drover.v1")
            #expect(other.reply.status == 400, "\(other.reply)")
            let nowhere = try WebSocketProbe(port: gateway.port, "/v1/elsewhere", token: shared.key)
            #expect(nowhere.reply.status == 404, "\(nowhere.reply)")
        }
    }
}
