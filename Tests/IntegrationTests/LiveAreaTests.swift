// Areas from outside: drivers that come and go, at the rate that the viewer asked for, however slowly it reads.

import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Areas")
    struct LiveArea {
        @Test func `drivers enter and leave an area, and nothing of them is shown outside`() throws {
            let shared = try SharedGateway.get()
            let key = shared.key
            // Far from where other tests drive, across the antimeridian.
            let area = "area:-10,179.99,10,-179.99"
            func report(_ driver: String, _ longitude: Double, at time: Int64) throws {
                try shared.gateway.post([TestPing(driver, at: time, latitude: 1, longitude: longitude)], token: key)
            }
            let start = now() - 10_000
            try report("isle-1", 179.9899, at: start)
            try report("isle-2", 179.9999, at: start)
            let viewer = try ScreenedViewer(shared.gateway, key)
            let answer = try viewer.subscribe([area])[0]["subscribed"][area]
            #expect(answer["positions"].array.map(\.["driver_id"].string) == ["isle-2"])
            // In, over the line where the date changes, and out.
            try report("isle-1", 179.9901, at: start + 1_000)
            try viewer.read("it comes in") { $0.newest("isle-1") == start + 1_000 }
            #expect(viewer.screen.events.contains(.status(driver: "isle-1", state: "live")))
            try report("isle-2", -179.9999, at: start + 2_000)
            try viewer.read("it goes on") { $0.newest("isle-2") == start + 2_000 }
            try report("isle-1", 179.9898, at: start + 3_000)
            try viewer.read("it leaves") { $0.events.last == .left(driver: "isle-1", subject: area) }
            try report("isle-1", 179.9897, at: start + 4_000)
            try report("isle-2", -179.9998, at: start + 5_000)
            try viewer.read("the other goes on") { $0.newest("isle-2") == start + 5_000 }
            #expect(viewer.screen.positions["isle-1"] == [start + 1_000])
            #expect(viewer.screen.events.count { if case .left = $0 { true } else { false } } == 1)
            // And once more.
            try report("isle-1", 179.9901, at: start + 6_000)
            try viewer.read("it is back") { $0.newest("isle-1") == start + 6_000 }
        }

        @Test func `a dispatcher hears of an area no more often than it asked for, and of each driver's newest`() throws
        {
            let gateway = try RunningGateway(settings: ["web.heartbeat_s": "600"])
            let key = try gateway.masterKey()
            let border = Border(gateway, key, drivers: 50)
            try border.cross(inwards: true)
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe([border.area], options: ",\"max_rate_hz\":4")
            var pushes: [Int64] = []
            var inwards = true
            while pushes.count < 8 {
                inwards.toggle()
                try border.cross(inwards: inwards)
                while viewer.socket.stream.hasInput {
                    let frame = try viewer.socket.json()
                    try viewer.screen.show(frame)
                    if let at = frame["now"].integer, pushes.last != at, !frame["positions"].isNull {
                        pushes.append(at)
                    }
                }
            }
            // The first may come right after the answer; between two there is the interval, less the clocks' grain.
            let gaps = zip(pushes.dropFirst(2), pushes.dropFirst()).map { $0 - $1 }
            #expect(gaps.allSatisfy { $0 >= 230 }, "\(gaps)")
            try border.cross(inwards: true)
            let last = border.time
            try viewer.read("all are inside") { screen in border.names.allSatisfy { screen.newest($0) == last } }
        }

        @Test func `a viewer who does not read while thousands cross the border costs a bounded amount`() throws {
            let gateway = try RunningGateway(settings: ["live.slow_viewer_s": "2", "web.heartbeat_s": "600"])
            let key = try gateway.masterKey()
            let border = Border(gateway, key, drivers: 2_000)
            try border.cross(inwards: true)
            let quick = try ScreenedViewer(gateway, key)
            try quick.subscribe([border.area], options: ",\"max_rate_hz\":50")
            let slow = try ScreenedViewer(gateway, key, receiveBytes: 4_096)
            try slow.subscribe([border.area], options: ",\"max_rate_hz\":50")
            try border.cross(inwards: false)
            try border.cross(inwards: true)
            let before = try gateway.residentKiB()
            var inwards = true
            try eventually("it is sent away", within: 60) {
                inwards.toggle()
                try border.cross(inwards: inwards)
                while quick.socket.stream.hasInput { try quick.screen.show(try quick.socket.json()) }
                return try gateway.metric("drover_viewers_slow_closed_total") == 1
            }
            #expect(try slow.socket.closure().code == 4408)
            #expect(try gateway.residentKiB() - before < 64 << 10)
            try border.cross(inwards: false)
            try border.cross(inwards: true)
            let last = border.time
            try quick.read("the quick one has everything") { screen in
                border.names.allSatisfy { screen.newest($0) == last }
            }
        }
    }
}

/// Drivers that stand along the edge of an area and cross it, a few metres to and fro.
private final class Border {
    let area = "area:50,8,51,9"
    let names: [String]
    private let gateway: RunningGateway
    private let key: String
    private(set) var time = now() - 3_000_000

    init(_ gateway: RunningGateway, _ key: String, drivers: Int) {
        (self.gateway, self.key) = (gateway, key)
        names = (0..<drivers).map { "b\($0)" }
    }

    func cross(inwards: Bool) throws {
        time += 1_000
        for start in stride(from: 0, to: names.count, by: 1_000) {
            let piece = names[start..<min(start + 1_000, names.count)]
            let reply = try gateway.post(
                piece.map { TestPing($0, at: time, latitude: 50.5, longitude: inwards ? 8.0001 : 7.9999) }, token: key)
            try #require(reply["accepted"].integer == Int64(piece.count), "\(reply)")
        }
    }
}

extension RunningGateway {
    /// What the process has in memory.
    func residentKiB() throws -> Int {
        let process = try #require(process?.processID)
        let text = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)
        return try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * 4
    }
}
