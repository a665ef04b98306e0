/// Recorded pings in files that Zstandard has compressed, as the archives of a gateway's history are.
import DroverClient
import Glibc
import LocalServers
import Testing
import Zstandard

@Suite struct CompressedFileTests {
    private func compressed(_ text: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var compressor = Compressor()
        try Array(text.utf8).withUnsafeBytes { try compressor.append($0) { bytes.append(contentsOf: $0) } }
        try compressor.finish { bytes.append(contentsOf: $0) }
        return bytes
    }

    private func put(_ bytes: [UInt8], _ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    }

    @Test func `an archived day is read like the CSV it holds`() throws {
        let directory = try TemporaryDirectory(prefix: "dz")
        defer { directory.remove() }
        let text = """
            driver_id,recorded_at,lat,lng,speed,heading,accuracy,altitude,source,session_id,flags,received_at
            a,2026-03-06T12:00:00.123456Z,43.6,-79.3832,0,,5,92.1,gps,"x, ""y""
            z",0,2026-03-06T12:00:00.373456Z
            b,2026-03-06T11:59:59.000000Z,43.6000001,-79.3832,8.3,271,5,,,,2,2026-03-06T12:00:00.373456Z

            """
        try put(try compressed(text), directory.path + "/day.csv.zst")
        let file = try PingFile(path: directory.path + "/day.csv.zst")
        #expect(file.name == "day")
        #expect(file.drivers == ["a", "b"])
        #expect(file.rows.map(\.time) == [1_772_798_399_000, 1_772_798_400_123])
        #expect(file.rows.map(\.driver) == [1, 0])
        #expect(file.rows[1].heading == nil && file.rows[1].speed == 0 && file.rows[1].altitude == 92.1)
    }

    @Test func `a compressed track is read too, and a damaged or cut-off file is refused`() throws {
        let directory = try TemporaryDirectory(prefix: "dz")
        defer { directory.remove() }
        let path = directory.path + "/drive.gpx.zst"
        let bytes = try compressed(
            """
            <gpx version="1.1"><trk><trkseg><trkpt lat="43" lon="-79"><time>2026-03-06T12:00:00Z</time></trkpt></trkseg></trk></gpx>
            """)
        try put(bytes, path)
        #expect(try PingFile(path: path).rows.count == 1)
        try put(Array(bytes.dropLast()), path)
        #expect(throws: DroverClientError.self) { try PingFile(path: path) }
        var changed = bytes
        changed[bytes.count / 2] ^= 4
        try put(changed, path)
        #expect(throws: DroverClientError.self) { try PingFile(path: path) }
    }
}
