import Glibc
import LocalServers
import PostgresClient
import Testing
import Tracking
import Zstandard

@testable import Gateway

/// A day of history without a gateway, and a directory for its archive.
final class ArchiveFixture {
    let history: HistoryFixture
    let archives: Archives
    let day = DayTable(
        name: "driver_location_events_20260306", lower: "2026-03-06T00:00:00.000000Z",
        upper: "2026-03-07T00:00:00.000000Z")

    /// `rows` pings of three drivers, a second apart, received a quarter of a second after their fix.
    init(rows: Int = 30) throws {
        history = try HistoryFixture()
        let connection = try history.connection()
        try Migrations.migrate(connection, schema: "public")
        archives = Archives(
            directory: "\(history.directory.path)/archive", connection: connection, schema: "public",
            cutOff: PostgresCutOff())
        try connection.run(
            """
            CREATE TABLE \(day.name) PARTITION OF driver_location_events
                FOR VALUES FROM ('\(day.lower)') TO ('\(day.upper)')
            """)
        try insert(rows)
    }

    var directory: ArchiveDirectory { archives.directory! }

    /// Adds `count` pings from `offset` seconds after noon on.
    func insert(_ count: Int, from offset: Int = 0, session: String = "NULL") throws {
        try history.connection().query(
            """
            INSERT INTO driver_location_events SELECT 'driver-' || n % 3,
                timestamptz '2026-03-06 12:00:00.123456+00' + n * interval '1 s', 43.6 + n * 1e-7, -79.3832, n / 3.0, NULL,
                5, 92.1, 'gps', \(session), n % 8, timestamptz '2026-03-06 12:00:00.373456+00' + n * interval '1 s'
            FROM generate_series($1::int, $2::int - 1) n
            """, ["\(offset)", "\(offset + count)"])
    }

    func write() throws -> (manifest: ArchiveManifest, isNew: Bool) { try archives.write(day, into: directory) }

    /// The lines of an archive.
    func lines(_ file: String) throws -> [String] {
        var text: [UInt8] = []
        var decompressor = Decompressor()
        try content(file).withUnsafeBytes { bytes in try decompressor.append(bytes) { text.append(contentsOf: $0) } }
        try decompressor.finish()
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func content(_ file: String) throws -> [UInt8] { try read(directory.path(of: file)) }

    func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        try #require(pread(descriptor, &bytes, bytes.count, 0) == bytes.count)
        return bytes
    }

    func put(_ bytes: [UInt8], _ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }

    /// What lies in the directory.
    func names() -> [String] {
        guard let directory = opendir(directory.path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}

struct ArchiveTests {
    private static let file = "driver_location_events_20260306.csv.zst"
    /// 2026-03-06T12:00:10.373456Z, when ping number 10 was received.
    private static let receiptOfTen: Microseconds = someNoon + 10_373_456

    @Test func `a day becomes one sorted file with a manifest and a row that say what it holds`() throws {
        let fixture = try ArchiveFixture()
        let (manifest, isNew) = try fixture.write()
        #expect(isNew)
        #expect(fixture.names() == [Self.file, Self.file + ".manifest.json"])
        let lines = try fixture.lines(Self.file)
        #expect(
            lines[0]
                == "driver_id,recorded_at,lat,lng,speed,heading,accuracy,altitude,source,session_id,flags,received_at")
        #expect(
            lines[1]
                == "driver-0,2026-03-06T12:00:00.123456Z,43.6,-79.3832,0,,5,92.1,gps,,0,2026-03-06T12:00:00.373456Z")
        #expect(lines.count == 31)
        #expect(lines[11].hasPrefix("driver-1,2026-03-06T12:00:01.123456Z,"))
        #expect(manifest.rows == 30)
        #expect(manifest.firstRecordedAt == "2026-03-06T12:00:00.123456Z")
        #expect(manifest.lastRecordedAt == "2026-03-06T12:00:29.123456Z")
        #expect(manifest.bytes == (try fixture.content(Self.file).count))
        #expect(manifest.sha256 == (try sha256sum(fixture.directory.path(of: Self.file))))
        #expect(try fixture.directory.manifest(of: Self.file) == manifest)
        #expect(
            try fixture.history.text(
                "SELECT concat_ws(' ', file, partition, row_count, bytes, encode(sha256, 'hex')) FROM history_archives")
                == "\(Self.file) \(fixture.day.name) 30 \(manifest.bytes) \(manifest.sha256)")
        try fixture.archives.verify(Self.file)
    }

    @Test func `Postgres takes an archive back, every value as it was`() throws {
        let fixture = try ArchiveFixture(rows: 0)
        try fixture.insert(200, session: "'a, \"b\"' || chr(10) || 'c;' || n")
        try fixture.insert(3, from: 500)
        try fixture.insert(3, from: 600, session: "''")
        let (manifest, _) = try fixture.write()
        #expect(manifest.rows == 206)
        let connection = try fixture.history.connection()
        var text: [UInt8] = []
        var decompressor = Decompressor()
        try fixture.content(Self.file).withUnsafeBytes { bytes in
            try decompressor.append(bytes) { text.append(contentsOf: $0) }
        }
        try connection.run("CREATE TABLE restored (LIKE driver_location_events)")
        let copied = try text.withUnsafeBytes {
            try connection.copy("COPY restored FROM STDIN (FORMAT csv, HEADER)", $0)
        }
        #expect(copied == 206)
        #expect(
            try fixture.history.number(
                "SELECT count(*) FROM (TABLE restored EXCEPT ALL TABLE driver_location_events) x") == 0)
    }

    @Test func `a day that is archived already is not written again, and rows that came since are`() throws {
        let fixture = try ArchiveFixture()
        let first = try fixture.write().manifest
        let again = try fixture.write()
        #expect(!again.isNew)
        #expect(again.manifest == first)
        try fixture.insert(5, from: 100)
        let second = try fixture.write()
        #expect(second.isNew)
        #expect(second.manifest.rows == 35)
        #expect(fixture.names() == [Self.file, Self.file + ".manifest.json"])
        try fixture.archives.verify(Self.file)
    }

    @Test func `a day that came back after it was dropped gets a file of its own`() throws {
        let fixture = try ArchiveFixture()
        let first = try fixture.write().manifest
        let connection = try fixture.history.connection()
        try connection.run("UPDATE history_archives SET dropped_at = now(); TRUNCATE driver_location_events")
        try fixture.insert(2, from: 200)
        let second = try fixture.write().manifest
        #expect(second.file == "driver_location_events_20260306_2.csv.zst")
        #expect(second.rows == 2)
        #expect(try fixture.archives.verify(Self.file) == first)
        #expect(try fixture.history.number("SELECT count(*) FROM history_archives") == 2)
    }

    @Test func `any byte that changed is noticed`() throws {
        let fixture = try ArchiveFixture()
        let manifest = try fixture.write().manifest
        let path = fixture.directory.path(of: Self.file)
        let sound = try fixture.content(Self.file)
        for index in stride(from: 0, to: sound.count, by: 7) {
            var changed = sound
            changed[index] ^= 0x10
            try fixture.put(changed, path)
            #expect(throws: ArchiveError.self, "byte \(index)") { try fixture.archives.verify(Self.file) }
        }
        try fixture.put(Array(sound.dropLast()), path)
        #expect(throws: ArchiveError.self) { try fixture.archives.verify(Self.file) }
        try fixture.put(sound, path)
        try fixture.archives.verify(Self.file)
        // While the day is still there, a damaged archive is simply written again.
        try fixture.put(Array(sound.dropFirst()), path)
        let again = try fixture.write()
        #expect(again.isNew)
        #expect(again.manifest.rows == manifest.rows)
        try fixture.archives.verify(Self.file)
    }

    @Test func `a directory that takes no file keeps everything as it was and says why`() throws {
        let fixture = try ArchiveFixture()
        try fixture.put([1], fixture.directory.path)
        let error = #expect(throws: ArchiveError.self) { try fixture.write() }
        #expect(error?.description.contains("DROVER_HISTORY_ARCHIVE_DIRECTORY") == true)
        #expect(try fixture.history.number("SELECT count(*) FROM history_archives") == 0)
        #expect(try fixture.history.number("SELECT count(*) FROM driver_location_events") == 30)
        // The connection, which stopped within COPY at worst, goes on.
        unlink(fixture.directory.path)
        #expect(try fixture.write().isNew)
    }

    @Test func `a driver is taken out of every archive up to the moment, and other files stay byte by byte`() throws {
        let fixture = try ArchiveFixture()
        _ = try fixture.write()
        let connection = try fixture.history.connection()
        try connection.run(
            """
            UPDATE history_archives SET dropped_at = now();
            TRUNCATE driver_location_events;
            INSERT INTO driver_location_events
            VALUES ('driver-11', '2026-03-06 01:00Z', 1, 1, NULL, NULL, 5, NULL, 'gps', 'driver-1,', 0, '2026-03-06 01:00Z')
            """)
        let other = try fixture.write().manifest
        let before = try (fixture.content(other.file), fixture.lines(Self.file))
        var seen: [ArchiveErasure] = []
        let done = try fixture.archives.erase(driver: "driver-1", receivedThrough: Self.receiptOfTen) {
            seen.append($0)
        }
        // Numbers 1, 4, 7 and 10.
        #expect(done == ArchiveErasure(filesDone: 2, files: 2, filesRewritten: 1, rows: 4))
        #expect(seen.map(\.filesDone) == [1, 2])
        #expect(try fixture.content(other.file) == before.0)
        let kept = before.1.filter { line in
            !(line.hasPrefix("driver-1,") && line.suffix(27) <= "2026-03-06T12:00:10.373456Z")
        }
        #expect(kept.count == 27)
        #expect(try fixture.lines(Self.file) == kept)
        let manifest = try fixture.archives.verify(Self.file)
        #expect(manifest.rows == 26)
        #expect(try fixture.history.number("SELECT sum(row_count) FROM history_archives") == 27)
        // Again: nothing is left to do. A moment earlier than all: nothing is touched.
        #expect(
            try fixture.archives.erase(driver: "driver-1", receivedThrough: Self.receiptOfTen)
                == ArchiveErasure(filesDone: 2, files: 2))
        #expect(try fixture.archives.erase(driver: "driver-2", receivedThrough: someNoon).rows == 0)
        #expect(try fixture.archives.erase(driver: "driver-", receivedThrough: .max / 2_000).rows == 0)
    }

    @Test func `an archive of nobody else is left empty and sound`() throws {
        let fixture = try ArchiveFixture(rows: 0)
        try fixture.insert(1)
        _ = try fixture.write()
        #expect(try fixture.archives.erase(driver: "driver-0", receivedThrough: Self.receiptOfTen).rows == 1)
        let manifest = try fixture.archives.verify(Self.file)
        #expect(manifest.rows == 0)
        #expect(manifest.firstRecordedAt == nil)
        #expect(try fixture.lines(Self.file) == [ArchiveColumns.header])
    }

    @Test func `erasing refuses to overlook a file that is elsewhere, and a damaged one`() throws {
        let fixture = try ArchiveFixture()
        _ = try fixture.write()
        let path = fixture.directory.path(of: Self.file)
        let sound = try fixture.content(Self.file)
        rename(path, path + ".away")
        #expect(throws: ArchiveError.missing(file: Self.file, directory: fixture.directory.path)) {
            try fixture.archives.erase(driver: "driver-0", receivedThrough: Self.receiptOfTen)
        }
        try fixture.put(Array(sound.dropLast(3)), path)
        #expect(throws: ArchiveError.self) {
            try fixture.archives.erase(driver: "nobody", receivedThrough: Self.receiptOfTen)
        }
        let elsewhere = Archives(
            directory: "", connection: try fixture.history.connection(), schema: "public", cutOff: PostgresCutOff())
        #expect(throws: ArchiveError.noDirectory(file: Self.file)) {
            try elsewhere.erase(driver: "driver-0", receivedThrough: Self.receiptOfTen)
        }
    }

    /// Every state that a crash can leave while a file is replaced, made by hand from the files before and after.
    @Test(arguments: ["before the renames", "between the renames", "before the row", "torn manifest"])
    func `an erasing that was cut off ends right`(crash: String) throws {
        let fixture = try ArchiveFixture()
        let old = try fixture.write().manifest
        let (path, manifestPath) = (
            fixture.directory.path(of: Self.file), fixture.directory.manifestPath(of: Self.file)
        )
        let (oldFile, oldManifest) = try (fixture.read(path), fixture.read(manifestPath))
        try fixture.archives.erase(driver: "driver-1", receivedThrough: Self.receiptOfTen)
        let (newFile, newManifest) = try (fixture.read(path), fixture.read(manifestPath))
        try fixture.archives.record(old)
        switch crash {
        case "before the renames":
            try fixture.put(oldFile, path)
            try fixture.put(oldManifest, manifestPath)
            try fixture.put(newFile, path + ".partial")
            try fixture.put(newManifest, manifestPath + ".partial")
        case "between the renames":
            try fixture.put(oldManifest, manifestPath)
            try fixture.put(newManifest, manifestPath + ".partial")
        case "torn manifest":
            try fixture.put(oldFile, path)
            try fixture.put(oldManifest, manifestPath)
            try fixture.put(Array(newFile.dropLast(9)), path + ".partial")
            try fixture.put(Array(newManifest.prefix(40)), manifestPath + ".partial")
        default: break
        }
        let done = try fixture.archives.erase(driver: "driver-1", receivedThrough: Self.receiptOfTen)
        #expect(done.rows == (["before the renames", "torn manifest"].contains(crash) ? 4 : 0))
        #expect(fixture.names() == [Self.file, Self.file + ".manifest.json"])
        #expect(try fixture.archives.verify(Self.file).rows == 26)
        #expect(try fixture.history.number("SELECT row_count FROM history_archives") == 26)
    }

    @Test func `an archive whose row a crash kept away is taken as it is`() throws {
        let fixture = try ArchiveFixture()
        let manifest = try fixture.write().manifest
        try fixture.history.connection().run("TRUNCATE history_archives")
        let again = try fixture.write()
        #expect(!again.isNew)
        #expect(again.manifest == manifest)
        #expect(try fixture.history.number("SELECT row_count FROM history_archives") == 30)
    }
}
