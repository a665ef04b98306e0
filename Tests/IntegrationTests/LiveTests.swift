// `GET /v1/track` from outside: greetings, snapshots, order, slow readers.

import DroverClient
import EventLoop
import LocalServers
import Testing

extension Integration {
    @Suite("GET /v1/track")
    struct Live {
        @Test func `a viewer gets a snapshot and then every newer position in order, never a late one`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 60_000
            try gateway.post([TestPing("van-1", at: at, speed: 8.25, heading: 90)], token: key)
            let loop = EventLoop()
            let session = TrackSession(
                network: ClientNetwork(loop: loop), gateway: try Endpoint(gateway.address), token: key)
            var seen: [(at: Int64, isSnapshot: Bool, subjects: [String])] = []
            var reply: SubscriptionReply?
            session.onPosition = { position, isSnapshot, _ in
                seen.append((position.recordedAt, isSnapshot, position.subjects))
                if position.recordedAt == at {
                    #expect(position.driverID == "van-1")
                    #expect(position.latitude == 43.6532)
                    #expect(position.longitude == -79.3832)
                    #expect(position.speed == 8.25)
                    #expect(position.heading == 90)
                    #expect(position.accuracy == 5)
                }
            }
            session.onSubscribed = { reply = $0 }
            session.subscribe(["driver:van-1", "driver:nobody"])
            session.connect()
            try loop.run { reply != nil }
            #expect(reply?.recovered == ["driver:van-1": false, "driver:nobody": false])
            #expect(seen.map(\.at) == [at])
            #expect(seen.map(\.isSnapshot) == [true])
            #expect(session.serverTime > at)
            // Each but the last is followed by a late ping, which must not be shown.
            for step in 1...20 {
                let time = at + Int64(step) * 1_000
                try gateway.post([TestPing("van-1", at: time), TestPing("van-1", at: time - 500)], token: key)
                try loop.run { seen.last?.at == time }
            }
            #expect(seen.map(\.at) == (0...20).map { at + $0 * 1_000 })
            #expect(seen.dropFirst().allSatisfy { !$0.isSnapshot && $0.subjects == ["driver:van-1"] })
            #expect(try gateway.metric("drover_pings_total{verdict=\"late\"}") == 20)
            #expect(!session.cursor.isEmpty)
            var isOver = false
            session.onEnded = { _ in isOver = true }
            session.close()
            try loop.run { isOver }
        }

        @Test func `frames are answered by their id, errors by their code`() throws {
            let shared = try SharedGateway.get()
            let socket = try shared.gateway.webSocket("/v1/track", token: nil, subprotocols: "drover.v1")
            #expect(socket.reply.headers["sec-websocket-protocol"] == "drover.v1")
            let hello = try socket.json()["hello"]
            #expect(abs((hello["now"].integer ?? 0) - now()) < 60_000)
            #expect(hello["heartbeat_s"].integer == 25)
            socket.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            var reply = try socket.json()
            #expect(reply["id"].integer == 1)
            #expect(reply["error"]["code"].string == "unauthenticated")
            #expect(reply["error"]["retry"].flag == false)
            socket.send("{\"id\":2,\"token\":\"\(shared.key)\"}")
            reply = try socket.json()
            #expect(reply["id"].integer == 2)
            #expect(reply.names.contains("expires_at"))
            socket.send("{\"id\":3,\"subscribe\":[\"van-1\",\"driver:\",\"driver:a b\"]}")
            #expect(try socket.json()["error"]["code"].string == "forbidden")
            socket.send("{\"id\":4,\"subscribe\":[\"driver:unseen-1\",\"nonsense\"]}")
            reply = try socket.json()
            #expect(reply["id"].integer == 4)
            #expect(reply["subscribed"]["driver:unseen-1"]["positions"].array.isEmpty)
            #expect(reply["subscribed"]["driver:unseen-1"]["recovered"].flag == false)
            #expect(reply["refused"]["nonsense"].string == "bad_subject")
            #expect(reply["cursor"].string?.isEmpty == false)
            // The first ping of a driver that was unknown when it was subscribed to.
            let at = now() - 1_000
            try shared.gateway.post([TestPing("unseen-1", at: at)], token: shared.key)
            #expect(try socket.json(with: "positions")["positions"][0]["recorded_at"].integer == at)
            socket.send("{\"id\":5,\"unsubscribe\":[\"driver:unseen-1\",\"driver:never\"]}")
            reply = try socket.json(with: "id")
            #expect(reply["unsubscribed"].array.map(\.string) == ["driver:unseen-1"])
            try shared.gateway.post([TestPing("unseen-1", at: at + 500)], token: shared.key)
            for (frame, id) in [("[]", nil), ("{\"subscribe\":[]}", nil), ("{\"id\":6}", 6 as Int64?), ("{", nil)] {
                socket.send(frame)
                reply = try socket.json()
                // Nothing of the driver that is not watched any more comes in between.
                #expect(reply["error"]["code"].string == "bad_request", "\(frame): \(reply)")
                #expect(reply["id"].integer == id, "\(frame)")
            }
        }

        @Test func `a bad credential is told after the upgrade`() throws {
            let shared = try SharedGateway.get()
            let unknown = try shared.gateway.webSocket("/v1/track", token: "drk_unknown")
            #expect(try unknown.closure().code == 4401)
            let writer = try shared.gateway.key("pings:write")
            #expect(try shared.gateway.webSocket("/v1/track", token: writer).closure().code == 4403)
            let later = try shared.gateway.webSocket("/v1/track", token: nil)
            later.send("{\"id\":1,\"token\":\"drk_unknown\"}")
            #expect(try later.closure().code == 4401)
        }

        @Test func `who does not log in within five seconds is sent away`() throws {
            let shared = try SharedGateway.get()
            let socket = try shared.gateway.webSocket("/v1/track", token: nil)
            let began = SystemClock.monotonicMicroseconds()
            let closure = try socket.closure(within: 20)
            #expect(closure.code == 4401)
            #expect(SystemClock.monotonicMicroseconds() - began >= 4_000_000)
        }

        @Test func `a key may watch so many subjects and not one more`() throws {
            let gateway = try RunningGateway(settings: ["live.subjects_per_key": "3"])
            let key = try gateway.key()
            let socket = try gateway.viewer(key)
            socket.send("{\"id\":1,\"subscribe\":[\"driver:a\",\"driver:b\",\"driver:c\"]}")
            #expect(try socket.json()["subscribed"].names == ["driver:a", "driver:b", "driver:c"])
            socket.send("{\"id\":2,\"subscribe\":[\"driver:d\"]}")
            #expect(try socket.json(with: "id")["error"]["code"].string == "limit")
            socket.send("{\"id\":3,\"unsubscribe\":[\"driver:a\"]}")
            #expect(try socket.json(with: "id")["unsubscribed"].array.count == 1)
            socket.send("{\"id\":4,\"subscribe\":[\"driver:d\"]}")
            #expect(try socket.json(with: "id")["subscribed"].names == ["driver:d"])
        }

        @Test func `a long snapshot comes in pages`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 1_000
            let drivers = (0..<700).map { "van-\($0)" }
            try gateway.post(drivers.map { TestPing($0, at: at) }, token: key)
            let socket = try gateway.viewer(key)
            socket.send("{\"id\":9,\"subscribe\":[\(drivers.map { "\"driver:\($0)\"" }.joined(separator: ","))]}")
            let first = try socket.json()
            #expect(first["more"].flag == true)
            let second = try socket.json()
            #expect(second["id"].integer == 9)
            #expect(second["more"].isNull)
            let names = first["subscribed"].names + second["subscribed"].names
            #expect(Set(names) == Set(drivers.map { "driver:\($0)" }))
            #expect(second["subscribed"].names.allSatisfy { second["subscribed"][$0]["positions"].array.count == 1 })
        }

        @Test func `a revoked key's viewers are sent away`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let socket = try gateway.viewer(key)
            let id = try #require(try gateway.sql("SELECT id FROM api_keys").first ?? nil)
            #expect(try gateway.drover("key", "revoke", id).status?.isSuccess == true)
            #expect(try socket.closure(within: 20).code == 4403)
            #expect(try gateway.http("GET", "/v1/drivers?near=1,1", token: key).status == 401)
        }

        @Test func `a viewer who stops reading gets the newest when it reads again, and others feel nothing`() throws {
            let fleet = try Fleet(slowViewerSeconds: 60)
            let slow = try fleet.subscribe(receiveBytes: 4_096)
            let quick = try fleet.subscribe(receiveBytes: nil)
            try fleet.move(reading: quick) { try fleet.gateway.metric("drover_viewer_conflated_total") > 0 }
            let newest = fleet.time
            var last: [String: Int64] = [:]
            while last.count < Fleet.size || last.values.contains(where: { $0 < newest }) {
                for position in try slow.json(with: "positions")["positions"].array {
                    let driver = try #require(position["driver_id"].string)
                    let time = try #require(position["recorded_at"].integer)
                    #expect(time > last[driver] ?? 0)
                    last[driver] = time
                }
            }
            #expect(Set(last.values) == [newest])
        }

        @Test func `a viewer who never reads again is sent away, and others stay`() throws {
            let fleet = try Fleet(slowViewerSeconds: 1)
            let slow = try fleet.subscribe(receiveBytes: 4_096)
            let quick = try fleet.subscribe(receiveBytes: nil)
            try fleet.move(reading: quick) { try fleet.gateway.metric("drover_viewer_conflated_total") > 0 }
            // Its second is checked once a second; the close is then kept for it for two.
            let patience = Deadline(seconds: 2.2)
            try fleet.move(reading: quick) { patience.isOver }
            #expect(try slow.closure().code == 4408)
            try fleet.move(reading: quick) { true }
            try eventually("one viewer is left") { try fleet.gateway.metric("drover_viewers") == 1 }
        }
    }
}

/// Many drivers that move together: enough bytes to fill a viewer's socket.
private final class Fleet {
    static let size = 1_000
    let gateway: RunningGateway
    private let key: String
    private(set) var time = now() - 3_000_000

    init(slowViewerSeconds: Int) throws {
        gateway = try RunningGateway(settings: ["live.slow_viewer_s": "\(slowViewerSeconds)"])
        key = try gateway.key()
        try post()
    }

    private func post() throws {
        time += 1_000
        let reply = try gateway.post((0..<Self.size).map { TestPing("v\($0)", at: time) }, token: key)
        #expect(reply["accepted"].integer == Int64(Self.size))
    }

    func subscribe(receiveBytes: Int32?) throws -> WebSocketProbe {
        let socket = try WebSocketProbe(
            port: gateway.port, "/v1/track", token: key, subprotocols: "drover.v1", receiveBytes: receiveBytes)
        _ = try socket.json(with: "hello")
        // Short ids, so that all of them fit into one frame of 16 KiB.
        let subjects = (0..<Self.size).map { "\"driver:v\($0)\"" }.joined(separator: ",")
        socket.send("{\"id\":1,\"max_rate_hz\":50,\"subscribe\":[\(subjects)]}")
        while try socket.json(with: "subscribed")["more"].flag == true {}
        return socket
    }

    /// Moves all drivers, with `quick` reading each move, until `isEnough`.
    func move(reading quick: WebSocketProbe, until isEnough: () throws -> Bool) throws {
        repeat {
            try post()
            var current = 0
            while current < Self.size {
                let positions = try quick.json(with: "positions")["positions"].array
                current += positions.filter { $0["recorded_at"].integer == time }.count
            }
        } while try !isEnough()
    }
}

extension EventLoop {
    /// Runs until `condition` holds.
    func run(within seconds: Double = 20, until condition: () -> Bool) throws {
        let deadline = Deadline(seconds: seconds)
        let alarm = LoopTimer(loop: self) {}
        alarm.start(afterMilliseconds: 10, everyMilliseconds: 10)
        defer { alarm.close() }
        while !condition() {
            guard !deadline.isOver else { throw OutOfTime(description: "the loop's condition did not come about") }
            runOnce()
        }
    }
}
