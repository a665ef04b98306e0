// The backlog lane: who comes back with an hour of pings is on the map first, in history soon, and in nobody's way.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("The backlog lane")
    struct Lane {
        /// An hour, a ping a second, ending now.
        private static func hour(_ count: Int = 3_600) -> [TestPing] {
            TestPing.drive(nil, from: now() - Int64(count) * 1_000, count: count)
        }

        private static func reports(_ pings: [TestPing]) -> [PingReport] {
            pings.map {
                PingReport(
                    recordedAt: $0.recordedAt, latitude: $0.latitude, longitude: $0.longitude, accuracy: $0.accuracy)
            }
        }

        /// The fix times of a viewer's next push.
        private func pushed(_ viewer: WebSocketProbe) throws -> [Int64] {
            try viewer.json(with: "positions")["positions"].array.compactMap { $0["recorded_at"].integer }
        }

        private func watch(_ driver: String, of gateway: RunningGateway, by key: String) throws -> WebSocketProbe {
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:\(driver)\"]}")
            _ = try viewer.json(with: "subscribed")
            return viewer
        }

        @Test func `a phone with an hour of backlog is on the map before its backlog is in history`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "van-1")
            let viewer = try watch("van-1", of: gateway, by: key)
            let pings = Self.hour()
            let loop = EventLoop()
            let session = IngestSession(
                network: ClientNetwork(loop: loop), gateway: try Endpoint(gateway.address), token: device,
                options: IngestSession.Options(window: 4_000))
            let driver = session.addDriver("")
            var settled: [Int64] = []
            session.onSettled = { outcome in
                #expect(outcome.rejection == nil)
                settled.append(outcome.recordedAt)
            }
            for report in Self.reports(pings) { #expect(session.send(report, driver: driver) != nil) }
            session.connect()
            try loop.run(within: 30) { settled.count == pings.count }
            session.close()
            let times = pings.map(\.recordedAt)
            #expect(settled.first == times.last, "the newest is settled first")
            #expect(settled.sorted() == times)
            #expect(try pushed(viewer) == [times[3_599]], "the first that a viewer sees is the newest")
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 3_600)
            #expect(try gateway.metric("drover_pings_total{verdict=\"accepted\"}") == 1)
            #expect(try gateway.metric("drover_pings_total{verdict=\"late\"}") == 3_599)
            #expect(try gateway.metric("drover_lane_waiting") == 0)
            #expect(try gateway.metric("drover_lane_bytes") == 0)
            try gateway.expectConservation()
        }

        @Test func `a request's newest goes first, too, and the reply says what became of each`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "van-1")
            let viewer = try watch("van-1", of: gateway, by: key)
            var pings = Self.hour(1_000)
            pings[400].accuracy = 500
            pings[10].accuracy = 500
            let reply = try gateway.post(pings, token: device)
            #expect(reply["accepted"].integer == 1)
            #expect(reply["late"].integer == 997)
            #expect(reply["rejected"].array.map { $0["index"].integer } == [10, 400])
            #expect(reply["rejected"].array.map { $0["reason"].string } == ["accuracy", "accuracy"])
            #expect(try pushed(viewer) == [pings[999].recordedAt])
            let again = try gateway.post(pings, token: device)
            #expect(again["accepted"].integer == 0)
            #expect(again["rejected"].array.count == 2)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 998)
            try gateway.expectConservation()
        }

        @Test func `a large frame that holds no backlog is judged in its order`() throws {
            let shared = try SharedGateway.get()
            let device = try shared.gateway.deviceToken(driver: "lane-fresh")
            // Within the last half minute, ten a second.
            let start = now() - 30_000
            let pings = (0..<300).map { step in
                TestPing(nil, at: start + Int64(step) * 100, latitude: 43.65 + Double(step) * 1e-6)
            }
            let reply = try shared.gateway.post(pings, token: device)
            #expect(reply["accepted"].integer == 300)
        }

        @Test func `a live ping behind backlog is shown at once and acknowledged in its turn`() throws {
            // The allowance is used up by the backlog: it waits, the live ping does not.
            let gateway = try RunningGateway(
                settings: ["limits.device_pings_per_s": "300", "limits.device_burst": "400"])
            let key = try gateway.key()
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "van-1")
            let viewer = try watch("van-1", of: gateway, by: key)
            let pings = Self.hour(1_000)
            let socket = try gateway.ingest(device)
            socket.send(TestPing.array(pings))
            #expect(try pushed(viewer) == [pings[999].recordedAt])
            let live = TestPing(nil, at: now(), latitude: pings[999].latitude, longitude: -79.38)
            socket.send(live.json)
            #expect(try pushed(viewer) == [live.recordedAt])
            #expect(try gateway.metric("drover_lane_waiting") == 1, "the backlog still waits")
            // A thousand at three hundred a second: the first acknowledgement says all.
            #expect(try socket.json(with: "ack")["ack"].integer == 1_001)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 1_001)
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"device\"}") == 0)
            try gateway.expectConservation()
        }

        @Test func `rejections of held frames keep the labels that their pings have in order of arrival`() throws {
            let gateway = try RunningGateway(
                settings: ["limits.device_pings_per_s": "300", "limits.device_burst": "200"])
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "van-1")
            var pings = Self.hour(400)
            pings[6].accuracy = 0
            let socket = try gateway.ingest(device)
            socket.send(TestPing.array(pings))
            socket.send(TestPing(nil, at: now(), accuracy: 0).json)
            var rejected: [Int64?] = []
            var acknowledged: Int64 = 0
            while acknowledged < 401 {
                let message = try socket.json(with: "ack")
                acknowledged = message["ack"].integer ?? 0
                rejected += message["rejected"].array.map { $0["seq"].integer }
            }
            #expect(rejected == [7, 401])
            try gateway.expectConservation()
        }

        @Test func `what does not fit into the lane is refused and can be sent again`() throws {
            // With its allowance used up a device's backlog stays in the lane.
            let gateway = try RunningGateway(
                settings: [
                    "lane.mib": "1", "limits.device_pings_per_s": "1", "limits.device_burst": "10",
                ])
            try gateway.awaitStores()
            // Four frames of a quarter of the lane's memory, nearly, and what is too much beside them.
            let hour = Self.hour()
            let text = TestPing.array(Array(hour[..<(255_000 * hour.count / TestPing.array(hour).utf8.count)]))
            var sockets: [WebSocketProbe] = []
            for index in 0..<5 {
                let socket = try gateway.ingest(try gateway.deviceToken(driver: "van-\(index)"))
                socket.send(text)
                sockets.append(socket)
                try eventually("the lane has it") {
                    try gateway.metric("drover_lane_waiting") == sockets.count
                        || gateway.metric("drover_lane_refused_total") > 0
                }
            }
            #expect(try gateway.metric("drover_lane_refused_total") == 1)
            #expect(try sockets[4].closure().code == 1013)
            #expect(try gateway.metric("drover_lane_bytes") <= 1 << 20)
            let request = try gateway.http(
                "POST", "/v1/pings", token: try gateway.deviceToken(driver: "van-9"),
                body: TestPing.array(Array(hour[..<1_000])))
            #expect(request.status == 503)
            #expect(request.header("Retry-After") == "1")
            // Whoever goes takes what waits along.
            sockets.removeAll()
            try eventually("the lane is empty") { try gateway.metric("drover_lane_bytes") == 0 }
            try gateway.expectConservation()
        }

        @Test func `a stop refuses what waits, and loses nothing that was acknowledged`() throws {
            let gateway = try RunningGateway(
                settings: ["limits.device_pings_per_s": "50", "limits.device_burst": "100"])
            try gateway.awaitStores()
            let pings = Self.hour(1_000)
            let socket = try gateway.ingest(try gateway.deviceToken(driver: "van-1"))
            socket.send(TestPing.array(pings))
            try eventually("it waits") { try gateway.metric("drover_lane_waiting") == 1 }
            gateway.process?.signal(SIGTERM)
            let closure = try socket.closure()
            #expect(closure.code == 1001)
            #expect(closure.texts.allSatisfy { !$0.contains("ack") })
            #expect(gateway.process?.wait(.seconds(5)) == .exited(0))
            gateway.set("limits.device_burst", "20000")
            try gateway.start()
            try gateway.awaitStores()
            let again = try gateway.ingest(try gateway.deviceToken(driver: "van-3"))
            again.send(TestPing.array(pings))
            #expect(try again.json(with: "ack")["ack"].integer == 1_000)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-3") == 1_000)
        }

        @Test func `kill -9 amid backlog loses nothing that was acknowledged`() throws {
            let seed = UInt64.random(in: 0 ... .max)
            print("lane, kill -9: seed \(seed)")
            var random = SeededRandom(seed: seed)
            let gateway = try RunningGateway()
            for round in 0..<(wantsLongTests ? 100 : 5) {
                let device = try gateway.deviceToken(driver: "van-\(round)")
                let pings = Self.hour(3_000)
                let loop = EventLoop()
                let session = IngestSession(
                    network: ClientNetwork(loop: loop), gateway: try Endpoint(gateway.address), token: device,
                    options: IngestSession.Options(window: 4_000))
                let driver = session.addDriver("")
                for report in Self.reports(pings) { #expect(session.send(report, driver: driver) != nil) }
                let killAfter = Int.random(in: 0..<2_500, using: &random)
                var settled: [Int64] = []
                var killed = false
                var failure: (any Error)?
                session.onSettled = { settled.append($0.recordedAt) }
                session.onEnded = { failure = StreamEnded(description: "the session ended: \($0)") }
                session.connect()
                try loop.run(within: 60) {
                    if settled.count > killAfter, !killed {
                        killed = true
                        gateway.kill()
                        do { try gateway.start() } catch { failure = error }
                    }
                    return failure != nil || settled.count == pings.count
                }
                session.close()
                if let failure { throw failure }
                #expect(killed)
                try gateway.awaitHistory()
                let times = try gateway.sql(
                    "SELECT (extract(epoch FROM recorded_at) * 1000)::bigint FROM driver_location_events "
                        + "WHERE driver_id = $1 ORDER BY recorded_at", ["van-\(round)"]
                ).compactMap { $0.flatMap { Int64($0) } }
                #expect(settled.sorted() == pings.map(\.recordedAt), "round \(round), seed \(seed)")
                #expect(times == pings.map(\.recordedAt), "round \(round), seed \(seed)")
            }
        }
    }
}
