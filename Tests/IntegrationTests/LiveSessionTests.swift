// Tracking sessions from outside: how they end, how they go on, what they blur, and why a driver is away.

import DroverClient
import Glibc
import Testing

extension Integration {
    @Suite("Tracking sessions live")
    struct LiveSession {
        @Test func `a session is warned, told of its end and closed within a second of it`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            try shared.gateway.assign("orders/brief", ["brief-1"], key: key)
            var slack: Int64 = .max
            try withinASecond("closed at the end of the session") { _ in
                let session = try shared.gateway.session(["order:brief", "driver:brief-2"], by: key, seconds: 2)
                let viewer = try ScreenedViewer(shared.gateway, session.token)
                try viewer.subscribe(["order:brief", "driver:brief-2"])
                let closure = try viewer.socket.closure()
                slack = now() - session.expiresAt
                #expect(closure.code == 4401)
                let texts = try closure.texts.map { try JSON(parsing: $0) }
                let ended = texts.flatMap { $0["events"].array }
                #expect(Set(ended.map(\.["subject"].string)) == ["order:brief", "driver:brief-2"])
                #expect(ended.allSatisfy { $0["type"].string == "ended" })
                #expect(slack >= 0, "not before its time")
                // Afterwards the token opens nothing.
                #expect(try shared.gateway.webSocket("/v1/track", token: session.token).closure().code == 4401)
            } _: {
                slack < 1_000
            }
        }

        @Test func `who logs in within the last minute is warned at once, by a frame with the seconds left`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let session = try shared.gateway.session(["driver:a"], by: key, seconds: 40)
            let socket = try shared.gateway.webSocket("/v1/track", token: session.token, subprotocols: "drover.v1")
            #expect(try socket.json()["hello"]["expires_at"].integer == session.expiresAt)
            let left = try #require(try socket.json()["expiring"]["in_s"].integer)
            #expect((30...40).contains(left))
        }

        @Test func `a session is renewed in place, and what the new token does not name ends`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let vans = MovingDrivers(["renew-1", "renew-2"], of: shared.gateway, key: key)
            try vans.report()
            let first = try shared.gateway.session(["driver:renew-1", "driver:renew-2"], by: key, seconds: 3)
            let second = try shared.gateway.session(["driver:renew-1", "driver:renew-3"], by: key, seconds: 600)
            let viewer = try ScreenedViewer(shared.gateway, first.token)
            try viewer.subscribe(["driver:renew-1", "driver:renew-2"])
            viewer.socket.send("{\"id\":77,\"token\":\"\(second.token)\"}")
            var answer = try viewer.socket.json()
            while answer["id"].integer != 77 {
                try viewer.screen.show(answer)
                answer = try viewer.socket.json()
            }
            #expect(answer["expires_at"].integer == second.expiresAt)
            try viewer.read("what is not named any more has ended") {
                $0.events.contains(.event(type: "ended", subject: "driver:renew-2"))
            }
            try eventually("the first session's end is past") { now() > first.expiresAt + 500 }
            let last = try vans.report()
            try viewer.read("it goes on") { $0.newest("renew-1") == last }
            #expect(!viewer.screen.events.contains(.event(type: "ended", subject: "driver:renew-1")))
            #expect(viewer.screen.newest("renew-2") < last, "nothing more of what has ended")
            // The new one's scope holds.
            viewer.socket.send("{\"id\":78,\"subscribe\":[\"driver:renew-2\"]}")
            #expect(try viewer.socket.json(with: "id")["error"]["code"].string == "forbidden")
            try viewer.subscribe(["driver:renew-3"])
        }

        @Test func `a session sees what it names and nothing else, whatever it sends`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            try shared.gateway.assign("orders/mine", ["only-1"], key: key)
            let session = try shared.gateway.session(["order:mine", "area:1,1,2,2"], by: key)
            let viewer = try ScreenedViewer(shared.gateway, session.token)
            // The very driver of its order by name, other orders, larger areas, and things that are none.
            let strange = [
                "driver:only-1", "order:mine2", "order:", "group:mine", "area:1,1,2,2.1", "area:0,0,3,3", "order:*",
                "*",
            ]
            for name in strange {
                viewer.socket.send("{\"id\":5,\"subscribe\":[\"\(name)\"]}")
                let reply = try viewer.socket.json(with: "id")
                #expect(reply["error"]["code"].string == "forbidden", "\(name): \(reply)")
            }
            let answer = try viewer.subscribe(["order:mine", "area:1.1,1.1,1.9,1.9", "order:mine", "order:mine2"])[0]
            #expect(answer["subscribed"].names == ["area:1.1,1.1,1.9,1.9", "order:mine"])
            #expect(answer["refused"].names == ["order:mine2"])
            // Frames of another shape break nothing.
            for frame in [
                "{\"id\":1e300,\"subscribe\":[\"order:mine\"]}", "{\"id\":-0.5,\"unsubscribe\":[\"x\"]}",
                "{\"id\":true,\"subscribe\":[]}", "{\"id\":6,\"subscribe\":[1]}",
                "{\"id\":7,\"subscribe\":\"order:mine\"}",
                "{\"id\":8,\"subscribe\":[\"order:mine\"],\"max_rate_hz\":-1e300,\"cursor\":7}",
                "{\"id\":9,\"subscribe\":[\"order:mine\"],\"max_rate_hz\":0}",
            ] {
                viewer.socket.send(frame)
                _ = try viewer.socket.json(with: "id")
            }
            viewer.socket.send("{\"id\":10,\"unsubscribe\":[\"order:mine\",\"order:mine\"]}")
            #expect(try viewer.socket.json(with: "unsubscribed")["unsubscribed"].array.map(\.string) == ["order:mine"])
        }

        @Test func `a session with a precision sees the middle of a cell, always the same one`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let token = try shared.gateway.session(["driver:blur-1"], by: key, precision: 1_000).token
            let start = now() - 60_000
            func ping(_ second: Int64, _ latitude: Double) throws {
                try shared.gateway.post(
                    [TestPing("blur-1", at: start + second * 1_000, latitude: latitude, longitude: -79.3832)],
                    token: key)
            }
            try ping(0, 43.6532)
            let viewer = try ScreenedViewer(shared.gateway, token)
            let snapshot = try viewer.subscribe(["driver:blur-1"])[0]["subscribed"]["driver:blur-1"]["positions"][0]
            var seen = [snapshot]
            for second in 1...20 {
                try ping(Int64(second), 43.6532 + Double(second) * 5e-5)
                seen.append(try viewer.socket.json(with: "positions")["positions"][0])
            }
            for position in seen {
                let latitude = try #require(position["lat"].number)
                let longitude = try #require(position["lng"].number)
                #expect(abs(latitude - 43.6537) < 0.0055 && abs(longitude + 79.3832) < 0.0075, "\(position)")
                #expect(position["accuracy"].number == 1_000)
            }
            // A hundred metres touch two cells at most, in which twenty fixes are two places.
            #expect(Set(seen.map { $0["lat"].number }).count <= 2 && Set(seen.map { $0["lng"].number }).count <= 2)
            let response = try shared.gateway.http("GET", "/v1/drivers/blur-1/position", token: token)
            #expect(try JSON(parsing: response.text)["lat"].number == seen.last?["lat"].number, "\(response.text)")
        }

        @Test(arguments: [false, true])
        func `a driver that is away is so for a reason, on every gateway`(isReportingElsewhere: Bool) throws {
            let gateway = try RunningGateway(settings: ["live.stale_s": "1", "live.offline_s": "3"])
            let key = try gateway.masterKey()
            let names = ["dropped", "ended", "silent", "blurred", "ahead", "posted"]
            let viewed = try isReportingElsewhere ? gateway.companion() : gateway
            let viewer = try ScreenedViewer(viewed, key)
            try viewer.subscribe(names.map { "driver:\($0)" })
            var devices: [String: WebSocketProbe] = [:]
            for name in names.dropLast() { devices[name] = try gateway.ingest(try gateway.deviceToken(driver: name)) }
            let at = now()
            for device in devices.values {
                device.send(TestPing(nil, at: at).json)
                _ = try device.json(with: "ack")
            }
            try gateway.post([TestPing("posted", at: at)], token: key)
            // A phone that is killed, one that says goodbye, one that says nothing more, one in a tunnel of bad fixes, and
            // one whose clock was set an hour ahead.
            devices["dropped"]?.stream.resetOnClose()
            devices["dropped"] = nil
            devices["ended"]?.send([0x03, 0xE8], opcode: 8)
            for _ in 0..<2 {
                devices["blurred"]?.send(TestPing(nil, at: now(), accuracy: 900).json)
                devices["ahead"]?.send(TestPing(nil, at: now() + 3_600_000).json)
                _ = try devices["blurred"]?.json(with: "ack")
                _ = try devices["ahead"]?.json(with: "ack")
            }
            var reasons: [String: [String: String]] = [:]
            var offset: Int64?
            let expected: [String: [String: String]] = [
                "dropped": ["stale": "reconnecting", "offline": "disconnected"],
                "ended": ["stale": "ended", "offline": "ended"], "silent": ["stale": "no_ping", "offline": "no_ping"],
                "blurred": ["stale": "low_accuracy"], "ahead": ["stale": "clock"],
                "posted": ["stale": "no_ping", "offline": "no_ping"],
            ]
            let deadline = Deadline(seconds: 20)
            func isComplete() -> Bool {
                expected.allSatisfy { name, states in states.keys.allSatisfy { reasons[name]?[$0] != nil } }
            }
            while !isComplete(), !deadline.isOver {
                for status in try viewer.socket.json()["status"].array {
                    guard let name = status["driver_id"].string, let state = status["state"].string else { continue }
                    // Before the first position everybody is offline; what counts is why it is away after that.
                    guard status["last_recorded_at"].integer == at, state != "live" else { continue }
                    reasons[name, default: [:]][state] = status["reason"].string
                    offset = status["clock_offset_ms"].integer ?? offset
                }
            }
            for (name, states) in expected {
                for (state, reason) in states {
                    #expect(reasons[name]?[state] == reason, "\(name) \(state): \(reasons)")
                }
            }
            #expect(abs((offset ?? 0) - 3_600_000) < 5_000)
        }

        @Test func `of five thousand sessions one is revoked, and only its sockets close, within a second`() throws {
            let count = 5_000
            // The test holds one end of each socket; a gateway that it starts takes what it needs by itself.
            var files = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
            files.rlim_cur = files.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
            try #require(files.rlim_max > rlim_t(count + 500), "too few descriptors are allowed here")
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            try gateway.sql(
                """
                INSERT INTO tracking_sessions (id, token_sha256, subjects, created_by, expires_at)
                SELECT 'bulk-' || n, sha256(convert_to('drt_bulk-' || n, 'UTF8')), '{driver:van-1}', 'test',
                    now() + interval '1 hour' FROM generate_series(1, \(count)) n
                """)
            // Sockets n and so on up to 5,000 have a session each; three more share the ones that are to be revoked.
            let doomed = [1_234, 2_345, 3_456]
            var sockets: [(session: Int, stream: ByteStream)] = []
            let sessions = Array(1...count) + doomed + doomed
            for start in stride(from: 0, to: sessions.count, by: 250) {
                let piece = try sessions[start..<min(start + 250, sessions.count)].map { session in
                    let stream = try ByteStream(port: gateway.port)
                    stream.send(
                        "GET /v1/track HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                            + "Sec-WebSocket-Protocol: drover.v1, bearer.drt_bulk-\(session)\r\n\r\n")
                    return (session, stream)
                }
                for (_, stream) in piece { try #require(try stream.takeReply(within: 30)?.status == 101) }
                sockets += piece
            }
            let subscribe = Array("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}".utf8)
            for (_, stream) in sockets {
                let text = try Self.text(stream)
                try #require(text.contains("hello"), "\(text)")
                stream.send(
                    WebSocketProbe.header(opcode: 1, length: subscribe.count) + WebSocketProbe.masked(subscribe))
            }
            for (_, stream) in sockets { try #require(try Self.text(stream).contains("subscribed")) }
            // Nobody has heard of the driver: it is said to be offline, once.
            for (_, stream) in sockets { try #require(try Self.text(stream).contains("status")) }
            #expect(try gateway.metric("drover_viewers") == sessions.count)

            var revoked: Set<Int> = []
            try withinASecond("the revoked session's sockets are closed") { attempt in
                let response = try gateway.http(
                    "DELETE", "/v1/tracking-sessions/bulk-\(doomed[attempt])", token: key)
                #expect((200...204).contains(response.status), "\(response.text)")
                revoked.insert(doomed[attempt])
            } _: {
                sockets.allSatisfy { !revoked.contains($0.session) || $0.stream.hasInput }
            }
            // Everybody else is there and is told.
            try gateway.post([TestPing("van-1", at: now())], token: key)
            var closed = 0
            for (session, stream) in sockets {
                if revoked.contains(session) {
                    let frame = try #require(try stream.take(4))
                    #expect(frame[0] == 0x88 && Int(frame[2]) << 8 | Int(frame[3]) == 4403)
                    closed += 1
                } else {
                    try #require(try Self.text(stream).contains("status"), "live again")
                    try #require(try Self.text(stream).contains("positions"))
                }
            }
            #expect(closed == revoked.count * 3)
        }

        /// The next text frame; heartbeats before it may wait for their answers.
        private static func text(_ stream: ByteStream) throws -> String {
            var head = try #require(try stream.take(2, within: 30))
            while head[0] == 0x89 {
                _ = try stream.take(Int(head[1]))
                head = try #require(try stream.take(2, within: 30))
            }
            try #require(head[0] == 0x81, "a text frame, not \(head)")
            var length = Int(head[1])
            if length == 126 { length = try #require(try stream.take(2)).reduce(0) { $0 << 8 | Int($1) } }
            return String(decoding: try #require(try stream.take(length)), as: UTF8.self)
        }
    }
}
