/// Replays and simulations against a server that acknowledges as a gateway does.
import DroverClient
import EventLoop
import Glibc
import LocalServers
import Testing

@Suite struct ReplayTests {
    let loop = EventLoop()
    let server: TestWebSocketServer
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        server = try TestWebSocketServer(loop: loop)
        server.onOpen = { $0.send(#"{"hello":{"now":1,"max_frame":262144}}"#) }
        server.onText = { connection, text in
            connection.send(#"{"ack":\#(text.integers(named: "seq").last ?? 0)}"#)
        }
    }

    func write(_ name: String, _ text: String) throws -> String {
        let path = "\(directory.path)/\(name)"
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
        return path
    }

    func drive(_ count: Int) -> String {
        "elapsed_ms,lat,lng,accuracy_m\n" + (0..<count).map { "\($0 * 1000),43.5,-79.5,\($0 % 7 + 3)\n" }.joined()
    }

    func options(_ files: [String]) -> Replay.Options {
        Replay.Options(
            files: files, gateway: server.listener.address, token: "key", start: .at(milliseconds: 1_795_132_800_000),
            speed: .maximum, patienceSeconds: 5, showsProgress: false)
    }

    @Test func `every ping is acknowledged, over a connection that is lost twice`() throws {
        defer { directory.remove(); server.listener.close() }
        var received: Set<Int64> = []
        var frames = 0
        var drivers: Set<Substring> = []
        server.onText = { [server] connection, text in
            frames += 1
            received.formUnion(text.integers(named: "recorded_at"))
            drivers.formUnion(text.components("\"driver_id\":\"").dropFirst().map { $0.prefix { $0 != "\"" } })
            if server.opened <= 2, frames % 40 == 39 { return connection.drop() }
            connection.send(#"{"ack":\#(text.integers(named: "seq").last ?? 0)}"#)
        }
        let replay = try Replay(options([try write("drive-01.csv", drive(7000))]), loop: loop)
        let report = replay.run()
        #expect(replay.drivers == ["drive-01"])
        #expect(report.total == 7000 && report.sent == 7000 && report.acknowledged == 7000 && report.kept == 7000)
        #expect(report.lastInterruption != nil)
        #expect(report.interruptions == 2 && report.failure == nil && report.exitCode == 0)
        #expect(received == Set((0..<7000).map { 1_795_132_800_000 + $0 * 1000 }))
        #expect(drivers == ["drive-01"])
    }

    @Test func `rejections are counted by reason`() throws {
        defer { directory.remove(); server.listener.close() }
        server.onText = { connection, text in
            let sequences = text.integers(named: "seq")
            let rejected = sequences.filter { $0 % 10 == 0 }.map { #"{"seq":\#($0),"reason":"jump"}"# }
            connection.send(#"{"ack":\#(sequences.last ?? 0),"rejected":[\#(rejected.joined(separator: ","))]}"#)
        }
        var options = options([try write("a.csv", drive(100))])
        options.driver = "van-9"
        let replay = try Replay(options, loop: loop)
        let report = replay.run()
        #expect(replay.drivers == ["van-9"] && report.rejected == ["jump": 10] && report.kept == 90)
        #expect(report.lines.contains("rejected      10  jump"))
    }

    @Test func `a gateway that goes away for good is a failure that says so`() throws {
        defer { directory.remove() }
        server.onText = { [server] _, _ in server.listener.close() }
        var options = options([try write("a.csv", drive(100))])
        options.patienceSeconds = 1
        let report = try Replay(options, loop: loop).run()
        #expect(report.exitCode == 1 && report.acknowledged == 0)
        #expect(report.failure?.contains("100 pings unacknowledged") == true)
    }

    @Test func `several files and columns give several drivers`() throws {
        defer { directory.remove(); server.listener.close() }
        let agents = try write("agents.csv", "agent,elapsed_ms,lat,lng\na,0,1,2\nb,0,1,2\na,9,1,2\n")
        let track = try write(
            "walk.gpx", "<gpx><trkpt lat='1' lon='2'><time>2026-11-20T00:00:00Z</time></trkpt></gpx>")
        var options = options([agents, track])
        #expect(throws: DroverClientError.self) { try Replay(options) }
        options.accuracy = 8
        #expect(try Replay(options).drivers == ["a", "b", "walk"])
        options.driver = "x"
        let replay = try Replay(options, loop: loop)
        #expect(replay.drivers == ["x-a", "x-b", "x-walk"])
        #expect(replay.run().acknowledged == 4)
    }

    @Test(arguments: [0, -1, Double.infinity])
    func `a speed that is none is refused`(factor: Double) throws {
        defer { directory.remove(); server.listener.close() }
        var options = options([try write("a.csv", drive(1))])
        options.speed = .times(factor)
        #expect(throws: DroverClientError.self) { try Replay(options) }
    }

    @Test func `at a multiple of real time recorded times stay as they were`() throws {
        defer { directory.remove(); server.listener.close() }
        var times: [Int64] = []
        server.onText = { connection, text in
            times += text.integers(named: "recorded_at")
            connection.send(#"{"ack":\#(text.integers(named: "seq").last ?? 0)}"#)
        }
        var options = options([try write("a.csv", drive(20))])
        options.speed = .times(200)
        let report = try Replay(options, loop: loop).run()
        #expect(report.acknowledged == 20)
        #expect(times == (0..<20).map { 1_795_132_800_000 + $0 * 1000 })
        // 19 s of recording at 200 times its speed cannot take less than 95 ms.
        #expect(report.seconds >= 0.095)
    }
}

@Suite struct SimulationTests {
    @Test func `equal seeds drive equally, other seeds do not`() {
        func drive(_ seed: UInt64) -> [PingReport] {
            var van = Van(latitude: 43.65, longitude: -79.38, radiusMetres: 1000, seed: seed)
            return (0..<200).map {
                van.advance(seconds: 1)
                return van.report(at: Int64($0) * 1000)
            }
        }
        #expect(drive(1) == drive(1))
        #expect(drive(1) != drive(2))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a van stays in its city, within its speed, and moves as fast as it says`(seed: UInt64) {
        var van = Van(latitude: 43.65, longitude: -79.38, radiusMetres: 1000, seed: seed)
        var last = van.report(at: 0)
        var metres = 0.0
        for second in 1...1800 {
            van.advance(seconds: 1)
            let report = van.report(at: Int64(second) * 1000)
            let north = (report.latitude - last.latitude) * 111_195
            let east = (report.longitude - last.longitude) * 111_195 * cos(report.latitude * .pi / 180)
            let step = (north * north + east * east).squareRoot()
            metres += step
            // Above the top speed only by what the phone errs in a second.
            #expect(step < Van.topSpeed + 10)
            #expect((0...Van.topSpeed).contains(report.speed ?? -1))
            #expect((0..<360).contains(report.heading ?? -1))
            #expect((3...15).contains(report.accuracy))
            #expect(abs(report.latitude - 43.65) < 0.02 && abs(report.longitude + 79.38) < 0.03)
            last = report
        }
        #expect(metres > 2000)
    }

    @Test func `drivers report, viewers watch, and both are counted`() throws {
        let loop = EventLoop()
        let server = try TestWebSocketServer(loop: loop)
        defer { server.listener.close() }
        var viewers: [TestConnection] = []
        server.onOpen = { $0.send(#"{"hello":{"now":1,"max_frame":262144,"heartbeat_s":25}}"#) }
        server.onText = { connection, text in
            if text.contains("token") {
                return connection.send(#"{"id":\#(text.integers(named: "id").first ?? 0),"expires_at":null}"#)
            }
            if text.contains("subscribe") { return viewers.append(connection) }
            connection.send(#"{"ack":\#(text.integers(named: "seq").last ?? 0)}"#)
            for viewer in viewers { viewer.send(#"{"now":1,"positions":[\#(text)],"cursor":"c"}"#) }
        }
        let simulation = try Simulation(
            loop: loop,
            options: .init(gateway: server.listener.address, token: "key", drivers: 5, hertz: 50, viewers: 2))
        simulation.start()
        server.listener.run {
            simulation.total.acknowledged >= 50 && simulation.total.updates >= 20
                && simulation.total.deliveries.count >= 10
        }
        #expect(simulation.total.sent >= simulation.total.acknowledged)
        #expect(simulation.total.rejected.isEmpty && simulation.total.ended == 0)
        #expect(simulation.driverIDs == ["van-0001", "van-0002", "van-0003", "van-0004", "van-0005"])
        simulation.stop()
        server.listener.close()
    }
}
