/// A drive, second by second, and a device that reports it at the rate it was asked for.
import DroverClient
import Glibc

/// What came of one or more drives.
struct RateFigures {
    var pings = 0
    var bytes = 0
    /// Metres between the driver and where the map shows it, at each second that it is watched.
    var errors: [Double] = []

    mutating func add(_ other: RateFigures) {
        pings += other.pings
        bytes += other.bytes
        errors += other.errors
    }

    func line(_ name: String, of all: RateFigures) -> [String] {
        let sorted = errors.sorted()
        func percentile(_ share: Double) -> String {
            sorted.isEmpty ? "" : decimals(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))], 1)
        }
        return [
            name, grouped("\(pings)"), grouped("\(bytes / 1_024)"),
            decimals(Double(pings) / Double(max(1, all.pings)) * 100, 1) + " %", percentile(0.5), percentile(0.95),
            decimals(sorted.reduce(0, +) / Double(max(1, sorted.count)), 1),
        ]
    }
}

/// A drive at a point a second.
struct RateTrace {
    private let rows: [PingFile.Row]
    private let isNear: [Bool]
    /// A page that is loaded again does not slow a device down (the gateway's `ReportRates.patience`).
    private static let patience = 30
    /// The gateway looks once a second for whom it has to tell.
    private static let delay = 1

    /// One row for each second from the first to the last: the newest that the recording has by then.
    init(_ recording: [PingFile.Row], nearMetres: Double) {
        var rows: [PingFile.Row] = []
        var index = 0
        if let first = recording.first, let last = recording.last {
            for time in stride(from: first.time, through: last.time, by: 1_000) {
                while index + 1 < recording.count, recording[index + 1].time <= time { index += 1 }
                rows.append(recording[index])
            }
        }
        self.rows = rows
        isNear = rows.map { row in rows.last.map { Self.metres(row, $0) <= nearMetres } ?? false }
    }

    /// Plays it to viewers who come and go; `interval` is what the device is asked for.
    func play(
        watched: Int, unwatched: Int, _ interval: (_ isWatched: Bool, _ isNear: Bool) -> Int
    ) -> RateFigures {
        var figures = RateFigures()
        var shown: PingFile.Row?
        var sentAt = -1_000_000
        let writer = ByteWriter()
        let cycle = watched + unwatched
        for second in rows.indices {
            // Unwatched first, so that the change to watched is part of what is measured.
            let place = second % cycle
            let isWatched = place >= unwatched
            let isTold = place >= unwatched + Self.delay || (second >= cycle && place < Self.patience + Self.delay)
            if (second - sentAt) * 1_000 >= interval(isTold, isNear[second]) {
                sentAt = second
                shown = rows[second]
                figures.pings += 1
                writer.clear()
                PingReport(
                    recordedAt: 1_760_000_000_000 + rows[second].time % 1_000_000_000,
                    latitude: rows[second].latitude, longitude: rows[second].longitude,
                    accuracy: rows[second].accuracy ?? 5, speed: rows[second].speed, heading: rows[second].heading
                ).write(
                    to: writer, driver: UnsafeRawBufferPointer(start: nil, count: 0), sequence: Int64(figures.pings))
                // A masked frame's header (RFC 6455), and a segment's with what lies under it (20 + 20 + 12).
                figures.bytes += writer.count + (writer.count < 126 ? 6 : 8) + 52
            }
            if isWatched, let shown { figures.errors.append(Self.metres(shown, rows[second])) }
        }
        return figures
    }

    /// Good enough within a city.
    private static func metres(_ first: PingFile.Row, _ second: PingFile.Row) -> Double {
        let north = (second.latitude - first.latitude) * 111_195
        let east = (second.longitude - first.longitude) * 111_195 * cos(first.latitude * .pi / 180)
        return (north * north + east * east).squareRoot()
    }
}
