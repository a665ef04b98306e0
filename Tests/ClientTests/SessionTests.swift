/// Devices and viewers over connections that come and go.
import DroverClient
import EventLoop
import Testing

@Suite struct IngestSessionTests {
    let loop = EventLoop()
    let server: TestWebSocketServer

    init() throws {
        server = try TestWebSocketServer(loop: loop)
        server.onOpen = { $0.send(#"{"hello":{"now":1760000000000,"max_frame":262144}}"#) }
    }

    func session(_ options: IngestSession.Options = .init()) throws -> IngestSession {
        IngestSession(
            network: ClientNetwork(loop: loop, seed: 7), gateway: try Endpoint(server.listener.address), token: "key",
            options: options)
    }

    func report(_ number: Int) -> PingReport {
        PingReport(
            recordedAt: 1_760_000_000_000 + Int64(number) * 1000, latitude: 43.6532, longitude: -79.3832, accuracy: 5)
    }

    @Test func `what was not acknowledged is sent again in order, and settled once`() throws {
        defer { server.listener.close() }
        let session = try session(.init(window: 100, newestFirst: false))
        let driver = session.addDriver("van-1")
        var firstConnection: [Int64] = []
        var secondConnection: [Int64] = []
        server.onText = { [server] connection, text in
            let sequences = text.integers(named: "seq")
            if server.opened == 1 {
                firstConnection += sequences
                if sequences == [4] { connection.send(#"{"ack":4}"#) }
                if sequences == [10] { connection.drop() }
            } else {
                secondConnection += sequences
                connection.send(#"{"ack":\#(sequences.last ?? 0)}"#)
            }
        }
        var settled: [Int64] = []
        session.onSettled = { settled.append($0.sequence) }
        for number in 1...10 { #expect(session.send(report(number), driver: driver) == Int64(number)) }
        session.connect()
        server.listener.run { settled.count == 10 }
        #expect(firstConnection == Array(1...10))
        #expect(secondConnection == Array(5...10))
        #expect(settled == Array(1...10))
        #expect(session.unsettled == 0 && session.interruptions == 1)
        session.close()
    }

    @Test func `what has gathered goes behind each driver's newest, and behind what is new`() throws {
        defer { server.listener.close() }
        let session = try session(.init(window: 2_000))
        let first = session.addDriver("a")
        let second = session.addDriver("b")
        var frames: [[Int64]] = []
        var settled: [Int64] = []
        server.onText = { connection, text in
            let sequences = text.integers(named: "seq")
            frames.append(sequences)
            // The rest is sent again over the next connection.
            if server.opened == 1, sequences == [1_200] { connection.drop() }
            if server.opened == 2 { connection.send(#"{"ack":\#(sequences.last ?? 0)}"#) }
        }
        session.onSettled = { outcome in
            settled.append(outcome.sequence)
            if settled.count == 2 {
                session.send(report(2_000), driver: first)
                session.flush()
            }
        }
        for number in 1...1_200 { session.send(report(number), driver: number <= 600 ? first : second) }
        session.connect()
        server.listener.run { settled.count == 1_201 }
        let again = frames.drop { $0 != [1_200] }.dropFirst().drop { $0 != [600] }
        #expect(Array(again.prefix(2)) == [[600], [1_200]])
        let all = again.flatMap { $0 }
        #expect(all.filter { $0 != 600 && $0 < 1_200 } == Array(1...599) + Array(601...1_199))
        #expect(settled == all, "settled in the order in which they were sent")
        #expect(try #require(all.firstIndex(of: 1_201)) < 1_200, "what is new does not wait for what has gathered")
        session.close()
    }

    @Test func `an acknowledgement of what this connection was not given settles nothing`() throws {
        defer { server.listener.close() }
        let session = try session()
        let driver = session.addDriver("a")
        var texts = 0
        server.onText = { connection, _ in
            texts += 1
            connection.send(#"{"ack":99}"#)
            connection.send(#"{"ack":1}"#)
        }
        var settled: [Int64] = []
        session.onSettled = { settled.append($0.sequence) }
        session.send(report(1), driver: driver)
        session.connect()
        server.listener.run { !settled.isEmpty }
        #expect(settled == [1] && texts == 1)
        session.close()
    }

    @Test func `frames are native pings with the credential in the handshake`() throws {
        defer { server.listener.close() }
        let session = try session(.init(pingsPerFrame: 2, newestFirst: false))
        let named = session.addDriver("van-1")
        let unnamed = session.addDriver("")
        var frames: [String] = []
        server.onText = { frames.append($1) }
        session.send(
            PingReport(
                recordedAt: 1_760_000_000_125, latitude: 43.6532, longitude: -79.3832, accuracy: 5.25, speed: 8.3,
                heading: 271, altitude: -0.5), driver: named)
        session.send(report(0), driver: unnamed)
        session.send(report(1), driver: unnamed)
        session.connect()
        server.listener.run { frames.count == 2 }
        #expect(
            frames == [
                #"[{"recorded_at":1760000000125,"lat":43.6532,"lng":-79.3832,"accuracy":5.25,"speed":8.3,"heading":271,"#
                    + #""altitude":-0.5,"seq":1,"driver_id":"van-1"},"#
                    + #"{"recorded_at":1760000000000,"lat":43.6532,"lng":-79.3832,"accuracy":5,"seq":2}]"#,
                #"{"recorded_at":1760000001000,"lat":43.6532,"lng":-79.3832,"accuracy":5,"seq":3}"#,
            ])
        let request = server.listener.connections[0].request
        #expect(request.hasPrefix("GET /v1/ingest HTTP/1.1\r\n"))
        #expect(request.contains("\r\nAuthorization: Bearer key\r\n"))
        #expect(request.contains("\r\nSec-WebSocket-Protocol: drover.ingest.v1\r\n"))
        session.close()
        server.listener.run { server.listener.connections.count == 1 }
    }

    @Test func `rejections come with their reason, before or with the acknowledgement`() throws {
        defer { server.listener.close() }
        let session = try session()
        let driver = session.addDriver("a")
        server.onText = { connection, text in
            switch text.integers(named: "seq") {
            case [1]:
                connection.send(#"{"rejected":[{"seq":1,"reason":"accuracy","detail":"say \"\u00e9\""}],"ack":1}"#)
            case [2]: connection.send(#"{"rejected":[{"seq":2,"reason":"jump"}]}"#)
            case [3]: connection.send(#"{"ack":3,"rejected":[]}"#)
            default: break
            }
        }
        var settled: [String] = []
        session.onSettled = {
            settled.append("\($0.sequence) \($0.rejection?.reason ?? "-") \($0.rejection?.detail ?? "")")
        }
        session.onConnected = {
            for number in 1...3 { session.send(report(number), driver: driver) }
            session.flush()
        }
        session.connect()
        server.listener.run { settled.count == 3 }
        #expect(settled == ["1 accuracy say \"é\"", "2 jump ", "3 - "])
        session.close()
    }

    @Test func `a full window refuses until half of it is settled`() throws {
        defer { server.listener.close() }
        let session = try session(.init(window: 4, newestFirst: false))
        let driver = session.addDriver("a")
        var rooms = 0
        session.onRoom = { rooms += 1 }
        for number in 1...4 { #expect(session.send(report(number), driver: driver) != nil) }
        #expect(session.send(report(5), driver: driver) == nil)
        #expect(session.room == 0)
        server.onText = { connection, text in
            let last = text.integers(named: "seq").last ?? 0
            if last == 1 || last == 4 { connection.send(#"{"ack":\#(last)}"#) }
        }
        session.connect()
        server.listener.run { session.unsettled == 0 }
        #expect(rooms == 1 && session.room == 4)
        session.close()
    }

    @Test func `a rate gathers pings into frames that are far apart`() throws {
        defer { server.listener.close() }
        let session = try session()
        let driver = session.addDriver("a")
        var frames: [[Int64]] = []
        var isConnected = false
        server.onOpen = {
            $0.send(#"{"hello":{"now":1,"max_frame":262144}}"#); $0.send(#"{"rate":{"interval_ms":40}}"#)
        }
        server.onText = { frames.append($1.integers(named: "seq")) }
        session.onConnected = { isConnected = true }
        session.connect()
        server.listener.run { isConnected && session.rateIntervalMilliseconds == 40 }
        for number in 1...20 {
            session.send(report(number), driver: driver)
            session.flush()
        }
        server.listener.run { frames.joined().count == 20 }
        #expect(frames == [[1], Array(2...20)])
        session.close()
    }

    @Test(arguments: [4400, 4401, 4403] as [UInt16])
    func `a close that forbids it is not followed by another attempt`(code: UInt16) throws {
        defer { server.listener.close() }
        let session = try session()
        server.onOpen = { $0.close(code) }
        var ended: WebSocketClosure?
        session.onEnded = { ended = $0 }
        session.connect()
        server.listener.run { ended != nil }
        #expect(ended?.code == code && server.opened == 1)
        #expect(session.send(report(1), driver: session.addDriver("a")) == nil)
    }

    @Test func `patience ends`() throws {
        server.listener.close()
        let session = try session(.init(patienceMilliseconds: 150))
        var attempts = 0
        var ended: WebSocketClosure?
        session.onInterrupted = { _, _ in attempts += 1 }
        session.onEnded = { ended = $0 }
        session.connect()
        server.listener.run { ended != nil }
        #expect(attempts >= 1 && ended?.reason.contains("Connection refused") == true)
    }

    @Test func `pings beyond the server's frame size go into another frame`() throws {
        defer { server.listener.close() }
        let session = try session(.init(window: 100, pingsPerFrame: 100, newestFirst: false))
        let driver = session.addDriver("a")
        var frames: [String] = []
        server.onOpen = { $0.send(#"{"hello":{"now":1,"max_frame":1024}}"#) }
        server.onText = { frames.append($1) }
        for number in 1...40 { session.send(report(number), driver: driver) }
        session.connect()
        server.listener.run { frames.map { $0.integers(named: "seq").count }.reduce(0, +) == 40 }
        #expect(frames.count > 1 && frames.allSatisfy { $0.utf8.count <= 1024 })
        #expect(frames.flatMap { $0.integers(named: "seq") } == Array(1...40))
        session.close()
    }
}

@Suite struct TrackSessionTests {
    @Test func `a viewer logs in, watches, and resumes at its cursor`() throws {
        let loop = EventLoop()
        let server = try TestWebSocketServer(loop: loop)
        defer { server.listener.close() }
        var frames: [String] = []
        server.onOpen = { $0.send(#"{"hello":{"now":1760000000000,"heartbeat_s":25,"expires_at":null}}"#) }
        server.onText = { connection, text in
            frames.append(text)
            let id = text.integers(named: "id").first ?? 0
            if text.contains("token") { return connection.send(#"{"id":\#(id),"expires_at":1760000009000}"#) }
            if server.opened == 1 {
                connection.send(
                    #"{"id":\#(id),"subscribed":{"driver:a":{"recovered":false,"positions":[{"driver_id":"a","#
                        + #""subjects":["driver:a"],"recorded_at":1,"lat":1.5,"lng":-2.25,"accuracy":3}]}},"more":true}"#
                )
                connection.send(#"{"id":\#(id),"refused":{"driver:x":"forbidden"},"cursor":"k:1"}"#)
                connection.send(
                    #"{"now":5,"positions":[{"driver_id":"a","subjects":["driver:a"],"recorded_at":2,"lat":1,"lng":2,"#
                        + #""speed":3.5,"heading":271}],"cursor":"k:2"}"#)
                connection.send(
                    #"{"now":6,"status":[{"driver_id":"a","subjects":[],"state":"stale","last_recorded_at":2}]}"#)
                connection.send(#"{"left":[{"driver_id":"a","subject":"area:1,2,3,4"}]}"#)
                connection.send(#"{"events":[{"type":"arrived","subject":"order:9","at":7}]}"#)
                connection.send(#"{"expiring":{"in_s":60}}"#)
                connection.send(#"{"id":99,"error":{"code":"rate","message":"slow down","retry":true}}"#)
            } else {
                connection.send(
                    #"{"id":\#(id),"subscribed":{"driver:a":{"recovered":true,"positions":[]}},"cursor":"k:3"}"#)
            }
        }
        let session = TrackSession(
            network: ClientNetwork(loop: loop), gateway: try Endpoint(server.listener.address), token: "secret",
            options: .init(maximumRateHertz: 2))
        var told: [String] = []
        session.onPosition = { position, isSnapshot, _ in
            told.append(
                "\(position.driverID) \(position.recordedAt) \(position.latitude) \(position.longitude) "
                    + "\(position.speed ?? -1) \(position.heading ?? -1) \(position.subjects) \(isSnapshot)")
        }
        session.onSubscribed = { reply in
            told.append("subscribed \(reply.recovered) \(reply.refused)")
        }
        session.onStatus = { told.append("status \($0.driverID) \($0.state) \($0.lastRecordedAt ?? 0)") }
        session.onLeft = { told.append("left \($0) \($1)") }
        session.onEvent = { told.append("event \($0) \($1) \($2 ?? 0)") }
        session.onExpiring = { told.append("expiring \($0)") }
        session.onError = { told.append("error \($0 ?? 0) \($1) \($2)") }
        session.subscribe(["driver:a"])
        session.connect()
        server.listener.run { told.count == 8 }
        #expect(
            told == [
                #"a 1 1.5 -2.25 -1.0 -1.0 ["driver:a"] true"#,
                #"subscribed ["driver:a": false] ["driver:x": "forbidden"]"#,
                #"a 2 1.0 2.0 3.5 271.0 ["driver:a"] false"#, "status a stale 2", "left a area:1,2,3,4",
                "event arrived order:9 7", "expiring 60", "error 99 rate slow down",
            ])
        #expect(session.serverTime == 6)
        server.listener.connections[0].drop()
        server.listener.run { told.count == 9 }
        #expect(told.last == #"subscribed ["driver:a": true] [:]"#)
        #expect(
            frames == [
                #"{"id":1,"token":"secret"}"#, #"{"id":2,"subscribe":["driver:a"],"max_rate_hz":2}"#,
                #"{"id":3,"token":"secret"}"#, #"{"id":4,"subscribe":["driver:a"],"cursor":"k:2","max_rate_hz":2}"#,
            ])
        #expect(session.cursor == "k:3")
        session.close()
    }
}
