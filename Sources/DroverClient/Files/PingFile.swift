/// Recorded pings from a file: CSV with named columns, or a GPX track.
import Glibc
import Zstandard

/// A file's pings, in the order of their time.
public struct PingFile: Sendable {
    /// One row or track point.
    public struct Row: Sendable, Equatable {
        /// Which of `drivers` it belongs to; 0 where the file names none.
        public var driver: Int
        /// Epoch milliseconds, or milliseconds since the recording's begin (`hasElapsedTimes`).
        public var time: Int64
        /// Degrees.
        public var latitude: Double
        /// Degrees.
        public var longitude: Double
        /// Metres; nil where the file has none, negative where the phone did not know.
        public var accuracy: Double?
        /// Metres a second, or nil.
        public var speed: Double?
        /// Degrees, or nil.
        public var heading: Double?
        /// Metres, or nil.
        public var altitude: Double?

        package init(
            driver: Int, time: Int64, latitude: Double, longitude: Double, accuracy: Double? = nil,
            speed: Double? = nil, heading: Double? = nil, altitude: Double? = nil
        ) {
            self.driver = driver
            self.time = time
            self.latitude = latitude
            self.longitude = longitude
            self.accuracy = accuracy
            self.speed = speed
            self.heading = heading
            self.altitude = altitude
        }
    }

    /// The file's name without directories and extension.
    public let name: String
    /// The drivers the file names, in the order of their first row; empty where it has no such column.
    public internal(set) var drivers: [String] = []
    /// Ordered by time, rows of the same time in the file's order.
    public internal(set) var rows: [Row] = []
    /// True where times count from the recording's begin.
    public internal(set) var hasElapsedTimes = false
    /// True where some row has no accuracy of its own.
    public var lacksAccuracy: Bool { rows.contains { $0.accuracy == nil } }

    /// The largest file that is read, in bytes, decompressed: rows are kept in memory to be ordered by time.
    public static let maximumBytes = 1 << 30
    private static let tooLarge = "it is larger than 1 GiB; split it"

    /// Reads a file; `.gpx` is a track, everything else CSV. Behind either `.zst` may say that it is compressed by
    /// Zstandard, as the archives of `drover partitions` are.
    public init(path: String) throws(DroverClientError) {
        var bytes = try Self.readAll(path)
        var file = path.split(separator: "/").last.map(String.init) ?? path
        if file.lowercased().hasSuffix(".zst") {
            bytes = try Self.decompressed(bytes, path)
            file.removeLast(4)
        }
        let isTrack = file.lowercased().hasSuffix(".gpx")
        try self.init(file, bytes, isTrack: isTrack)
    }

    /// The same from bytes in memory; `file` is the name for messages.
    package init(_ file: String, _ bytes: [UInt8], isTrack: Bool) throws(DroverClientError) {
        name = file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
        do {
            try bytes.withUnsafeBytes { content in
                if isTrack {
                    var reader = GPXReader(file, content)
                    rows = try reader.readAll()
                } else {
                    var reader = try CSVPings(file, content)
                    rows = try reader.readAll()
                    drivers = reader.drivers
                    hasElapsedTimes = reader.hasElapsedTimes
                }
            }
        } catch let error as DroverClientError {
            throw error
        } catch {
            throw .cannotRead(file, reason: "\(error)")
        }
        guard !rows.isEmpty else { throw .badFile(file, line: 1, column: 0, problem: "the file holds no pings") }
        // Swift's sort is stable, though its documentation does not promise that yet; the offset makes it certain.
        rows = rows.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
    }

    private static func decompressed(_ bytes: [UInt8], _ path: String) throws(DroverClientError) -> [UInt8] {
        var content: [UInt8] = []
        var decompressor = Decompressor()
        do {
            try bytes.withUnsafeBytes { bytes in
                try decompressor.append(bytes) { piece in
                    content.append(contentsOf: piece)
                    guard content.count <= maximumBytes else {
                        throw DroverClientError.cannotRead(path, reason: tooLarge)
                    }
                }
            }
            try decompressor.finish()
        } catch let error as DroverClientError {
            throw error
        } catch {
            throw .cannotRead(path, reason: "\(error)")
        }
        return content
    }

    private static func readAll(_ path: String) throws(DroverClientError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotRead(path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            throw .cannotRead(path, reason: "it is a directory")
        }
        guard Int(status.st_size) <= maximumBytes else {
            throw .cannotRead(path, reason: tooLarge)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(status.st_size))
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 { throw .cannotRead(path, reason: String(cString: strerror(errno))) }
            if count == 0 { return bytes }
            bytes += buffer.prefix(count)
            guard bytes.count <= maximumBytes else {
                throw .cannotRead(path, reason: tooLarge)
            }
        }
    }
}
