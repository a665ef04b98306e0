/// The floor of Redis: the same positions, pipelined, with nothing around them.
import Glibc

enum RedisFloor {
    /// What Redis needs for one position, in microseconds of its CPU: HSET of seven fields, GEOADD and PUBLISH, for each
    /// of `drivers` in turn, `hertz` times a second each, gathered for 20 ms at a time. Paced, that comes as a gateway's
    /// positions come, to a Redis that has slept meanwhile; flat out, without pauses, it is the least there is, from warm
    /// caches.
    static func microsecondsPerPosition(
        socketPath: String, process: Int32, drivers: Int, hertz: Int, seconds: Int, isPaced: Bool
    ) throws -> Double {
        let descriptor = try Socket.connect(path: socketPath)
        defer { close(descriptor) }
        let clock = RunClock()
        let start = clock.now
        var before = 0.0
        var written = 0
        // The first second is not measured: the keys are made.
        for tick in 0..<((seconds + 1) * 50) {
            if tick == 50 { before = ProcessUsage(process).seconds }
            let wait = start + Int64(tick) * 20_000_000 - clock.now
            if isPaced, wait > 0 { _ = poll(nil, 0, Int32(wait / 1_000_000)) }
            let end = (tick + 1) * drivers * hertz / 50
            var bytes: [UInt8] = []
            for position in written..<end {
                append(driver: position % drivers, round: position / drivers, to: &bytes)
            }
            try Socket.writeAll(bytes, to: descriptor)
            try awaitReplies((end - written) * 3, descriptor)
            written = end
        }
        return (ProcessUsage(process).seconds - before) / Double(drivers * hertz * seconds) * 1e6
    }

    private static func append(driver: Int, round: Int, to bytes: inout [UInt8]) {
        let name = "floor-" + PingTemplate.driverName(driver)
        let latitude = "43.6\(100_000 + (driver * 100 + round * 37) % 900_000)"
        let recordedAt = "17600000\(10_000 + round)"
        command(
            [
                "HSET", "driver:\(name):location", "lat", latitude, "lng", "-79.3832017", "accuracy", "10",
                "recorded_at", recordedAt, "timestamp", "2026-11-20T12:00:00.125Z", "heading", "271", "speed", "8.3",
            ], to: &bytes)
        command(["GEOADD", "floor:geo", "-79.3832017", latitude, name], to: &bytes)
        command(
            [
                "PUBLISH", "driver:\(name):location",
                "{\"driver_id\":\"\(name)\",\"recorded_at\":\(recordedAt),\"lat\":\(latitude),\"lng\":-79.3832017,"
                    + "\"speed\":8.3,\"heading\":271,\"accuracy\":10}",
            ], to: &bytes)
    }

    private static func command(_ parts: [String], to bytes: inout [UInt8]) {
        bytes += "*\(parts.count)\r\n".utf8
        for part in parts { bytes += "$\(part.utf8.count)\r\n\(part)\r\n".utf8 }
    }

    /// All three commands answer with an integer, one line each.
    private static func awaitReplies(_ count: Int, _ descriptor: Int32) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        var left = count
        while left > 0 {
            let received = recv(descriptor, &buffer, buffer.count, 0)
            guard received > 0 else { throw BenchError("Redis does not answer: \(Socket.reason())") }
            for byte in buffer[..<received] where byte == 0x0A { left -= 1 }
        }
    }
}
