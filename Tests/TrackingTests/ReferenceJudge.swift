// API.md's "What a ping can become", read aloud: arrays, no tricks, no code of the real judge.

import Foundation

@testable import Tracking

/// A slow judge with API.md's limits.
struct ReferenceJudge {
    private struct Fix {
        var time: Int64
        var latitude: Double
        var longitude: Double
        var accuracy: Double
    }

    private struct Driver {
        var newest: Fix?
        /// Of accepted and late pings, oldest first.
        var times: [Int64] = []
        /// The pings in a row that were refused as jumps and agree with each other, at most two.
        var jumps: [Fix] = []
    }

    private var drivers: [Int: Driver] = [:]
    var forbidsMock = false

    /// The verdict in words, such as `accepted clamped`.
    mutating func judge(_ ping: Ping, of id: Int, now: Int64) -> String {
        let fix = Fix(
            time: ping.recordedAt, latitude: Double(ping.latitude) / 1e7, longitude: Double(ping.longitude) / 1e7,
            accuracy: Double(ping.accuracy))
        if abs(fix.latitude) > 90 || abs(fix.longitude) > 180 { return "coordinates" }
        if fix.latitude == 0, fix.longitude == 0 { return "zero_island" }
        if !(fix.accuracy > 0 && fix.accuracy < 200) { return "accuracy" }
        if fix.time > now + 30_000_000 { return "future" }
        if fix.time < now - 30 * 86_400_000_000 { return "stale" }
        if forbidsMock, ping.isMock { return "mock" }

        var driver = drivers[id] ?? Driver()
        defer { drivers[id] = driver }
        let clamped = (ping.speed ?? 0) > 70 ? " clamped" : ""
        if let newest = driver.newest {
            if fix.time == newest.time || driver.times.suffix(64).contains(fix.time) { return "duplicate" }
            if fix.time < newest.time {
                driver.times.append(fix.time)
                return "late" + clamped
            }
            if !isReachable(newest, fix), !isThirdInARow(fix, &driver.jumps) { return "jump" }
        }
        driver.newest = fix
        driver.jumps = []
        driver.times.append(fix.time)
        return "accepted" + clamped
    }

    private func isThirdInARow(_ fix: Fix, _ jumps: inout [Fix]) -> Bool {
        guard let last = jumps.last else {
            jumps = [fix]
            return false
        }
        // The same ping again proves nothing.
        if fix.time <= last.time { return false }
        if jumps.count == 2, jumps.allSatisfy({ isReachable($0, fix) }) { return true }
        jumps = isReachable(last, fix) ? [last, fix] : [fix]
        return false
    }

    private func isReachable(_ from: Fix, _ to: Fix) -> Bool {
        let speed = max(0, metres(from, to) - from.accuracy - to.accuracy) / (Double(to.time - from.time) / 1e6)
        return speed <= 70
    }

    /// From the chord between two points on the unit sphere.
    private func metres(_ from: Fix, _ to: Fix) -> Double {
        func point(_ fix: Fix) -> (Double, Double, Double) {
            let (phi, lambda) = (fix.latitude * .pi / 180, fix.longitude * .pi / 180)
            return (cos(phi) * cos(lambda), cos(phi) * sin(lambda), sin(phi))
        }
        let (a, b) = (point(from), point(to))
        let chord = sqrt(pow(a.0 - b.0, 2) + pow(a.1 - b.1, 2) + pow(a.2 - b.2, 2))
        return 2 * 6_371_008.8 * asin(min(1, chord / 2))
    }
}

extension Verdict {
    /// As the reference says it.
    var words: String {
        switch self {
        case .accepted(let clamped): clamped ? "accepted clamped" : "accepted"
        case .late(let clamped): clamped ? "late clamped" : "late"
        case .duplicate: "duplicate"
        case .rejected(let reason): "\(reason.name)"
        }
    }
}
